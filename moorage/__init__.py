"""Moorage takes trained models online and keeps them there.

Read in this order: `deployment` and `predictor` (the nouns), `rollout` (the verbs), `serving/base` (what a serving
tool must be able to do), `serving/local` (one that does), `registry` and `store` (where models live).

Nothing is imported here: a pod that loads `moorage.runtime` must not pay for what only a command line needs.
"""
