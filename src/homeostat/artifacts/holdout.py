"""The holdout: which entities of a dataset no version of a model is trained on."""

import hashlib


def held_out(model: str, entity: str, percent: int) -> bool:
    """Whether an entity belongs to the holdout of a model, whatever the seed, the window and the other entities.

    Args:
        model: `<namespace>.<model>`.
        entity: Key of the entity as text.
        percent: Share of entities in the holdout.
    """
    return int(hashlib.sha256(f"{model}/{entity}".encode()).hexdigest()[:8], 16) % 100 < percent
