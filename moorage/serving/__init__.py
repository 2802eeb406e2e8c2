"""Serving tools: the contract of a backend, the backends, and the verdicts that they come to."""
