"""What KSERVE and KUBERNETES share: the pod, what its state means, and the way to the API server."""
