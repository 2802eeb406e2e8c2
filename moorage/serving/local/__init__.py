"""LOCAL: model deployments as supervised processes on this machine."""
