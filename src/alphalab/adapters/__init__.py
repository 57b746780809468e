"""Domains: a folder of 11 files each, and a class where behaviour is needed."""

from alphalab.adapters.base import DomainAdapter, Problems
from alphalab.adapters.manifest import (
    Attack,
    Baseline,
    Canary,
    Catalogue,
    Manifest,
    Option,
    Parameter,
    Recipe,
    Remedy,
    Splits,
    SubmissionLayout,
)
from alphalab.adapters.prompts import PLACEHOLDERS, PROMPT_NAMES, render_prompt
from alphalab.adapters.registry import BUILT_IN, class_path, import_class, load_adapter

__all__ = [
    "BUILT_IN",
    "PLACEHOLDERS",
    "PROMPT_NAMES",
    "Attack",
    "Baseline",
    "Canary",
    "Catalogue",
    "DomainAdapter",
    "Manifest",
    "Option",
    "Parameter",
    "Problems",
    "Recipe",
    "Remedy",
    "Splits",
    "SubmissionLayout",
    "class_path",
    "import_class",
    "load_adapter",
    "render_prompt",
]
