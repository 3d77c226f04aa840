from __future__ import annotations

import numpy as np
import pytest
import torch

from twinlens.assemble import build_siamese
from twinlens.config import load_config
from twinlens.errors import BundleError, ConfigError, DataError
from twinlens.siamese import Siamese
from twinlens.types import Batch

SMALL = ["encoder.widths=[4, 8]", "encoder.strides=[1, 2]", "encoder.grid=2", "encoder.dim=8"]


def network(*settings: str) -> Siamese:
    torch.manual_seed(0)
    return build_siamese(load_config(None, [*SMALL, *settings]))


@pytest.mark.parametrize("branches", [2, 3])
def test_branches_share_literally_the_same_parameters(branches: int) -> None:
    siamese = network()
    inputs = [torch.randn(4, 1, 32, 32, requires_grad=True) for _ in range(branches)]
    outputs = siamese(*inputs)
    assert len(outputs) == branches
    used: list[set[int]] = []
    for output in outputs:  # the leaves that each branch's graph ends in
        leaves: set[int] = set()
        todo = [output.grad_fn]
        seen: set[object] = set()
        while todo:
            node = todo.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            if hasattr(node, "variable"):
                leaves.add(node.variable.data_ptr())
            todo.extend(parent for parent, _ in node.next_functions)
        used.append(leaves)
    parameters = {p.data_ptr() for p in siamese.encoder.parameters()}
    assert all(parameters <= leaves for leaves in used)


def test_a_branch_alone_gives_what_it_gives_among_others() -> None:
    siamese = network()
    a, b, c = (torch.randn(3, 1, 32, 32) for _ in range(3))
    with torch.no_grad():
        together = siamese(a, b, c)
        alone = siamese(b)
    torch.testing.assert_close(together[1], alone[0])


def test_both_branches_add_to_the_same_gradient() -> None:
    siamese = network()
    a, b = torch.randn(4, 1, 32, 32), torch.randn(4, 1, 32, 32)
    weight = siamese.encoder.get_parameter("head.weight")
    gradients: list[torch.Tensor] = []
    for pick in ((0,), (1,), (0, 1)):
        siamese.zero_grad()
        outputs = siamese(a, b)
        sum(outputs[i].square().sum() * outputs[i][0, 0] for i in pick).backward()  # type: ignore[union-attr]
        assert weight.grad is not None
        gradients.append(weight.grad.clone())
    torch.testing.assert_close(gradients[0] + gradients[1], gradients[2])


@pytest.mark.parametrize("comparator", ["cosine", "euclidean", "learned"])
def test_scores_are_symmetric_and_match_their_matrix(comparator: str) -> None:
    siamese = network(f"comparator={comparator}")
    pages = np.random.default_rng(0).integers(0, 255, (6, 1, 32, 32)).astype(np.uint8)
    x = siamese.embed(Batch(pages))
    a, b = x[:3], x[3:]
    np.testing.assert_allclose(siamese.score(a, b), siamese.score(b, a), rtol=1e-5, atol=1e-6)
    matrix = siamese.score_matrix(a, b)
    np.testing.assert_allclose(np.diag(matrix), siamese.score(a, b), rtol=1e-4, atol=1e-4)


def test_native_sizes_batch_without_changing_an_embedding() -> None:
    siamese = network("modality.fit=native")
    rng = np.random.default_rng(0)
    sizes = [(20, 31), (32, 17), (9, 9)]
    pages = [rng.integers(0, 255, (1, *size)).astype(np.uint8) for size in sizes]
    together = siamese.embed(siamese.modality.collate(pages))
    for row, page in zip(together, pages, strict=True):
        alone = siamese.embed(siamese.modality.collate([page]))[0]
        np.testing.assert_allclose(row, alone, atol=1e-5)


def test_nan_in_the_input_and_in_the_weights_are_told_apart() -> None:
    siamese = network()
    page = np.zeros((1, 1, 32, 32), np.float32)
    page[0, 0, 0, 0] = np.nan
    with pytest.raises(DataError, match="finite"):
        siamese.embed(Batch(page))
    with torch.no_grad():
        siamese.encoder.get_parameter("head.weight").fill_(float("nan"))
    with pytest.raises(BundleError, match="weights are damaged"):
        siamese.embed(Batch(np.zeros((1, 1, 32, 32), np.uint8)))


def test_the_first_further_view_is_the_mirror_image_where_pictures_are_mirrored() -> None:
    modality = network("modality.views=3", "modality.flip=0.5").modality
    values = torch.rand(2, 1, 32, 32)
    mirrored, changed = modality.views(values, None)
    assert torch.equal(mirrored, values.flip(3))
    assert not torch.equal(changed, values)
    assert modality.preparation["mirrored"]


def test_views_are_averaged_and_always_the_same() -> None:
    plain, several = network(), network("modality.views=5")
    several.load_state_dict(plain.state_dict())
    pages = np.random.default_rng(0).integers(0, 255, (6, 1, 32, 32)).astype(np.uint8)
    values, _ = several.tensors(Batch(pages))
    with torch.no_grad():
        looks = [values, *several.modality.views(values, None)]
        expected = torch.stack([plain.encode(look) for look in looks]).mean(0)
    expected = (expected / expected.norm(dim=1, keepdim=True)).numpy()
    assert len(looks) == 5
    assert not torch.allclose(looks[1], looks[2])
    found = several.embed(Batch(pages))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    alone = np.concatenate([several.embed(Batch(page[None])) for page in pages])
    np.testing.assert_allclose(alone, found, atol=1e-5)
    assert several.modality.fingerprint() != plain.modality.fingerprint()


@pytest.mark.parametrize("comparator", ["aligned", "matches", "maxsim"])
def test_a_comparator_of_parts_needs_an_encoder_that_gives_them(comparator: str) -> None:
    vectors = ["modality=strokes", "encoder=recurrent", "encoder.dim=32"]
    with pytest.raises(ConfigError) as caught:
        build_siamese(load_config(None, [*vectors, f"comparator={comparator}"]))
    assert str(caught.value) == (
        "encoder.name must be one that gives parts (convcolumns, convseries, stepwise, weighed) "
        f"where comparator.name is {comparator}. Got recurrent. Change one of both."
    )
    able = ["modality=strokes", "encoder=convseries", f"comparator={comparator}"]
    assert build_siamese(load_config(None, able)).dim == 32 * 16


@pytest.mark.parametrize(
    ("comparator", "told"),
    [
        (["comparator=aligned", "comparator.steps=48"], "comparator.beside must be 48"),
        (["comparator=aligned", "comparator.beside=64"], "comparator.beside must be 48"),
        (["comparator=cosine"], "comparator.name must be aligned where encoder.described"),
        (["comparator=maxsim"], "comparator.name must be aligned where encoder.described"),
    ],
)
def test_what_is_told_beside_parts_needs_a_comparator_that_knows(
    comparator: list[str], told: str
) -> None:
    beside = ["encoder=convcolumns", "encoder.described=strokes", "encoder.directions=48"]
    with pytest.raises(ConfigError, match=told):
        build_siamese(load_config(None, [*beside, *comparator]))
    none = ["modality=strokes", "encoder=convseries", "comparator=aligned", "comparator.beside=32"]
    with pytest.raises(ConfigError, match="comparator.beside must be 0"):
        build_siamese(load_config(None, none))
    able = ["comparator=aligned", "comparator.steps=48", "comparator.beside=48"]
    assert build_siamese(load_config(None, [*beside, *able])).dim == 48 * 24 + 48


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (["encoder.mirrors=true"], "comparator.relative must be true where"),
        (["comparator.relative=true"], "comparator.relative must be false where"),
        (
            ["encoder.mirrors=true", "comparator.relative=true", "comparator.cost=cosine"],
            "comparator.cost must be manhattan",
        ),
    ],
)
def test_costs_are_told_in_a_level_only_where_there_is_one(changed: list[str], told: str) -> None:
    aligned = ["comparator=aligned", "comparator.steps=8", "comparator.cost=manhattan"]
    series = ["modality=strokes", "encoder=weighed", "encoder.steps=8", *aligned]
    with pytest.raises(ConfigError, match=told):
        build_siamese(load_config(None, [*series, *changed]))
    plain = build_siamese(load_config(None, series))
    told_in = load_config(None, [*series, "encoder.mirrors=true", "comparator.relative=true"])
    assert build_siamese(told_in).dim == plain.dim + 1
    other = ["modality=strokes", "encoder=weighed", "encoder.mirrors=true", "comparator=cosine"]
    with pytest.raises(ConfigError, match=r"Got false\. Set both or none, with comparator\.name"):
        build_siamese(load_config(None, other))
