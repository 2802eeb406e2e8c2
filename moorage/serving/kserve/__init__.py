"""KSERVE: model deployments as InferenceServices."""
