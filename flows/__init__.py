"""Prefect flows: order, parameters and report. Run them from the checkout's root, by module."""
