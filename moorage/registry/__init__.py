"""Model versions and artifact versions, kept in an object store: published once, never changed, verified when read.

Read `registry` (the face), `keys` (where things lie), `record` (what is known of a version), `manifests` (what became
of a number); then `publication` with `idempotency`, and `artifacts` (how versions are made), `references` with
`reference_log` (what points to them), `versions` with `checkpoints` (how they are found), `cache` with `kept_folder`
and `file_locks` (what is kept of them on this machine), and `garbage`.
"""
