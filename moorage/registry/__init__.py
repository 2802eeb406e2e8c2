"""Model versions and artifact versions, kept in an object store: published once, never changed, verified when read.

Read `registry` (the face), `keys` (where things lie), `record` (what is known of a version), then `versions` and
`artifacts` (how numbers are claimed and committed).
"""
