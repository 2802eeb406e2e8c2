"""KUBERNETES: model deployments as a Deployment, a Service and, where it scales, a HorizontalPodAutoscaler."""
