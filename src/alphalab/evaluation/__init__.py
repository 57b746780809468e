"""What makes a score trustworthy: the seal, the certificate, and candidates in their own process."""

from alphalab.evaluation.candidate_host import SandboxedCandidateHost
from alphalab.evaluation.certificate import (
    NOISE_RUNS,
    AttackResult,
    CanaryResult,
    Certificate,
    Noise,
    clearly_better,
    judge_attack,
    judge_canary,
    measure_noise,
    tell,
)
from alphalab.evaluation.seal import CONFIRM, TRACES, Seal, make_seal, read_seal, sealed_files, verify_seal

__all__ = [
    "CONFIRM",
    "NOISE_RUNS",
    "TRACES",
    "AttackResult",
    "CanaryResult",
    "Certificate",
    "Noise",
    "SandboxedCandidateHost",
    "Seal",
    "clearly_better",
    "judge_attack",
    "judge_canary",
    "make_seal",
    "measure_noise",
    "read_seal",
    "sealed_files",
    "tell",
    "verify_seal",
]
