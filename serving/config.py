"""Settings of what is exported."""

from __future__ import annotations

from pydantic import Field

from nextbest.data.config import StrictModel
from nextbest.serving.explanation_config import ExplanationConfig
from nextbest.serving.infra_config import InfraConfig

__all__ = ["ExportConfig"]


class ExportConfig(StrictModel):
    """The exported models."""

    default_k: int = Field(10, ge=1)
    """How many products a tf.Example gets that names no k; the other signatures take k as an input."""
    max_batch_size: int = Field(256, ge=1)
    """The most customers that a server is asked for at once: the size of the larger warmup requests."""
    keep_versions: int | None = Field(None, ge=1)
    """How many versions a push leaves in MODELS, its own among them; all of them without it."""
    customer_snapshot: bool = True
    """Whether the recommender's assets hold the customers as of the cutoff, so that they can be asked for by id;
    without it the warmup requests hold nobody's data either."""
    explanations: ExplanationConfig = ExplanationConfig()
    """How recommendations are explained."""
    infra: InfraConfig = InfraConfig()
    """How the models are proven to work elsewhere before they are pushed."""
