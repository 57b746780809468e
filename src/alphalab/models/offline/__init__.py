"""The rule-based offline researcher."""

from alphalab.models.offline.model import DISCLAIMER, OfflineModel

__all__ = ["DISCLAIMER", "OfflineModel"]
