"""Who counts a Deployment's pods, while that passes from us to an autoscaler (pure)."""

from __future__ import annotations

from moorage.serving.cluster.marks import FIELD_MANAGER, Manifest


def carry_over(manifest: Manifest, found: Manifest | None) -> Manifest:
    """The manifest, with the number of replicas that there is where the field is still ours.

    What we set and then leave out is taken away on the server: four replicas would be one until the autoscaler acts.
    Once it has set the number, the field is its own, and is left to it.
    https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership

    Args:
        found: the object as it is; None where it is not.
    """
    counted = manifest["kind"] == "Deployment" and "replicas" not in manifest["spec"]
    if not counted or found is None or not _is_ours(found):
        return manifest
    return manifest | {"spec": manifest["spec"] | {"replicas": max(1, found["spec"].get("replicas", 1))}}


def _is_ours(found: Manifest) -> bool:
    entries = found["metadata"].get("managedFields") or ()
    return any(
        entry.get("manager") == FIELD_MANAGER
        and entry.get("operation") == "Apply"
        and "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})
        for entry in entries
    )
