"""Predictor scripts of our own, for models that came without one; each is loaded as a user's would be."""
