"""The report's part on how scores came about, and why they can be trusted."""

from __future__ import annotations

from collections.abc import Iterator

from alphalab.evaluation import Certificate, tell
from alphalab.reports.blocks import Block, Items, Paragraph, Table, amount
from alphalab.reports.data import ReportData

_TOLD = 160
"""Characters of an outcome in a table."""


def evaluation(data: ReportData) -> Iterator[Block]:
    """Protocol, certificate and seal."""
    certificate = data.certificate
    if data.protocol:
        rows = [(name, _value(value)) for name, value in data.protocol.items()]
        yield Table(head=("", ""), rows=rows, folded="the scorer's protocol")
    if certificate is None:
        yield Paragraph(text="The evaluation has not been certified yet; nothing on the board can be scored before.")
        return
    yield Items(lines=tuple(_summary(data, certificate)))
    if data.review:
        yield Items(lines=[f"review, {finding.severity}: {finding.message}" for finding in data.review])
    yield _canaries(certificate)
    if certificate.attacks:
        yield _attacks(certificate)


def _value(value: object) -> str:
    return ", ".join(f"{key} {item}" for key, item in value.items()) if isinstance(value, dict) else str(value)  # pyright: ignore[reportUnknownVariableType]


def _summary(data: ReportData, certificate: Certificate) -> Iterator[str]:
    builder = "a language model" if certificate.language_model else "rules; no language model was involved"
    yield f"built and reviewed by {builder}, in {amount(certificate.rounds, 'round')}"
    yield f"everything was tried at the sandbox tier {certificate.sandbox}"
    behaved = sum(canary.passed for canary in certificate.canaries)
    yield f"{behaved} of {len(certificate.canaries)} canaries (submissions whose outcome is known) behaved as they must"
    won = sum(attack.verdict == "succeeded" for attack in certificate.attacks)
    yield f"{len(certificate.attacks)} attacks were tried and {won} succeeded"
    tests = "pass" if certificate.tests.get("passed") else "fail"
    yield f"the evaluation's own tests {tests} ({amount(int(certificate.tests.get('files', 0)), 'file')})"
    noise = certificate.noise
    yield (
        f"noise floor {noise.floor:.3g}: two standard deviations of {len(noise.values)} scores of the reference with "
        f"different seeds (mean {noise.mean:.5g}, standard deviation {noise.sd:.3g})"
    )
    yield f"floor {certificate.floor:.5g}, reference {certificate.reference:.5g} on the search split"
    if data.seal:
        when = f"{data.seal.sealed_at:%Y-%m-%d %H:%M} UTC"
        yield f"sealed {when}, {len(data.seal.files)} files, digest {data.seal.digest}; checked before every score"
    else:
        yield "not sealed"


def _canaries(certificate: Certificate) -> Table:
    rows = [
        (canary.name, canary.expect.replace("_", " "), tell(canary.outcome)[:_TOLD], "yes" if canary.passed else "NO")
        for canary in certificate.canaries
    ]
    return Table(
        head=("canary", "must be", "was", "as it must"), rows=rows, folded=amount(len(rows), "canary", "canaries")
    )


def _attacks(certificate: Certificate) -> Table:
    rows = [
        (
            *(attack.name, attack.verdict, tell(attack.outcome)[:_TOLD]),
            f"{attack.seconds:.1f}",
            ", ".join(attack.changed),
        )
        for attack in certificate.attacks
    ]
    head = ("attack", "verdict", "outcome", "seconds", "protected files changed")
    width = len(head) if any(attack.changed for attack in certificate.attacks) else len(head) - 1
    return Table(
        head=head[:width],
        rows=[cells[:width] for cells in rows],
        numbers=(3,),
        strong=[index for index, attack in enumerate(certificate.attacks) if attack.verdict == "succeeded"],
        folded=amount(len(rows), "attack"),
    )
