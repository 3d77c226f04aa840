"""What scores mean when an input is compared with a given number of references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twinlens.calibration.bounds import Refusal
from twinlens.calibration.maps import Map, best_map
from twinlens.calibration.operating import OperatingPoint, RejectionPoint, Thresholds
from twinlens.functional.probability import cllr, min_cllr
from twinlens.types import Compared


@dataclass(frozen=True, slots=True)
class Scale:
    """What scores mean when an input is compared with a number of references.

    Attributes:
        references: how many.
        map: score -> log-likelihood ratio.
        points: for each false match rate that can be promised, by ascending threshold.
        refusals: the rates that cannot, of either error.
        genuine, impostors: comparisons behind it.
        identities: behind the genuine comparisons.
        cllr, min_cllr: of the map on the calibration comparisons, and the least possible.
        rejections: for each false non-match rate that can be promised, by ascending threshold.
    """

    references: int
    map: Map
    points: tuple[OperatingPoint, ...]
    refusals: tuple[Refusal, ...]
    genuine: int
    impostors: int
    identities: int
    cllr: float
    min_cllr: float
    rejections: tuple[RejectionPoint, ...] = ()

    @property
    def rejects_by_promise(self) -> bool:
        """Whether a promise was asked for that "different" needs, kept or refused."""
        return bool(self.rejections) or any(r.error == "false non-match" for r in self.refusals)

    @classmethod
    def fit(
        cls,
        compared: Compared,
        *,
        references: int,
        fmrs: Sequence[float],
        fnmrs: Sequence[float] = (),
        confidence: float,
    ) -> Scale:
        """Fit a map and find a threshold for each rate.

        Several rates are several promises: each is made at 1 - (1 - confidence) / how many, so that
        all hold together at `confidence` (Bonferroni).

        Args:
            compared: of both truths, of identities that nothing else was fitted on.
            references: behind each score.
            fmrs: false match rates to promise "same" by, each in (0, 1).
            fnmrs: false non-match rates to promise "different" by.
            confidence: of all promises together.

        Raises:
            DataError: a score is not finite.
            EvidenceError: scores are all equal, or comparisons all of one truth.
        """
        thresholds = Thresholds(compared)
        found = best_map(compared)
        each = 1 - (1 - confidence) / (len(fmrs) + len(fnmrs))
        answers = [
            *(thresholds.operating_point(fmr, each) for fmr in sorted(fmrs, reverse=True)),
            *(thresholds.rejection_point(fnmr, each) for fnmr in sorted(fnmrs)),
        ]
        llr = found.llr(compared.scores)
        return cls(
            references=references,
            map=found,
            points=tuple(answer for answer in answers if isinstance(answer, OperatingPoint)),
            refusals=tuple(answer for answer in answers if isinstance(answer, Refusal)),
            genuine=int(compared.same.sum()),
            impostors=int((~compared.same).sum()),
            identities=compared.evidence,
            cllr=cllr(llr, compared.same),
            min_cllr=min_cllr(compared.scores, compared.same),
            rejections=tuple(answer for answer in answers if isinstance(answer, RejectionPoint)),
        )
