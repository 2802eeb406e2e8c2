"""Prefect tasks, one file a step of a rollout: retries, timings and artifacts around the library's verbs."""
