"""What is sent to a model deployment, what comes back, and whether that is right."""
