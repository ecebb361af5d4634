"""The built-in heads: pure functions of known factors, with landmarks, materials, depth and motion that are exact."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from keras_gen.data.builtin import heads
from keras_gen.data.builtin.heads import (
    CLASSES,
    FACTORS,
    MATERIALS,
    OUTPUTS,
    folder_factors,
    geometry,
    heads_folder,
    motion,
    one_head,
    read_correlations,
    render,
    sample_factors,
)
from keras_gen.data.builtin.heads.factors import attainable, completed
from keras_gen.data.builtin.heads.geometry import shape_of, topology
from keras_gen.data.builtin.heads.model import EXPRESSIONS, head_model
from keras_gen.data.builtin.heads.raster import rasterise
from keras_gen.errors import UserError

FACE = slice(17, 68)  # landmarks above the neck, which turn with the head as one piece


def sampled(count, **given):
    """Random heads, with some factors given."""
    factors = sample_factors(count, seed=5)
    return [{**one_head(factors, k), **given} for k in range(count)]


def share(head, material, size=64):
    """The fraction of pixels that show a material."""
    return np.mean(render(head, size, ("materials",))["materials"] == MATERIALS.index(material))


def projected(points, size):
    """An independent pinhole camera at height 1.2 and distance 64, which shows 32.4 cm at the axis of the neck."""
    focal = size * 64 / 32.4
    matrix = np.array([[focal, 0, size / 2, 0], [0, -focal, size / 2, 0], [0, 0, 1, 0]])
    to_camera = np.array([[1, 0, 0, 0], [0, 1, 0, -1.2], [0, 0, -1, 64], [0, 0, 0, 1]])
    image = np.column_stack([points, np.ones(len(points))]) @ (matrix @ to_camera).T
    return image[:, :2] / image[:, 2:], image[:, 2]


# Pictures.


@pytest.mark.parametrize("size", [32, 45, 512])
def test_outputs_have_their_types_and_ranges(size):
    """All outputs exist from the smallest to the largest size."""
    found = render(sampled(1)[0], size, OUTPUTS)
    assert found["image"].shape == (size, size, 3)
    assert found["image"].dtype == found["materials"].dtype == np.uint8
    assert found["image"].std() > 15
    assert found["landmarks"].shape == (68, 2)
    assert ((found["landmarks"] > 0) & (found["landmarks"] < size)).all()
    assert found["materials"].max() < len(MATERIALS)
    np.testing.assert_array_equal(np.isinf(found["depth"]), found["materials"] == 0)
    near, far = found["depth"].min(), found["depth"][np.isfinite(found["depth"])].max()
    assert 40 < near < far < 80


def test_what_is_not_accepted_is_refused():
    """Unknown factors and outputs, sizes out of range, and an identity of another length are named."""
    with pytest.raises(UserError, match=r"--image-size got 31; .* 32 to 512"):
        render({}, 31)
    with pytest.raises(UserError, match="no factor 'age'; accepted are sex, yaw"):
        render({"age": 1.0}, 32)
    with pytest.raises(UserError, match="outputs got 'flow'; accepted are image, landmarks"):
        render({}, 32, ("image", "flow"))
    with pytest.raises(UserError, match=r"identity got the shape \(3,\); accepted is \(40,\)"):
        render({"identity": np.zeros(3)}, 32)


def test_a_picture_depends_on_its_factors_alone():
    """Neither earlier calls nor the global random state matter, nor the process."""
    head = sampled(1)[0]
    first = render(head, 32)["image"]
    np.random.seed(1)  # noqa: NPY002 - the legacy global state is what must not matter
    render({"hair_length": 1.0}, 32)
    np.testing.assert_array_equal(render(head, 32)["image"], first)
    code = (
        "import sys; from keras_gen.data.builtin.heads import *; "
        "sys.stdout.buffer.write(render(one_head(sample_factors(1, seed=5), 0), 32)['image'].tobytes())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert out == first.tobytes()


@pytest.mark.parametrize("index", range(3))
def test_the_same_head_at_another_size(index):
    """A picture of twice the size, halved, is the same picture; materials and depth agree too."""
    head = sampled(3)[index]
    small, large = (render(head, size, OUTPUTS) for size in (64, 128))
    halved = large["image"].reshape(64, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(halved - small["image"]).mean() < 4
    assert np.corrcoef(halved.ravel(), small["image"].ravel())[0, 1] > 0.98
    votes = [large["materials"][i::2, j::2] == small["materials"] for i in (0, 1) for j in (0, 1)]
    assert np.mean(votes) > 0.93
    np.testing.assert_allclose(large["landmarks"], 2 * small["landmarks"])


def test_many_heads_are_exposed_and_differ():
    """Pictures are neither black nor burnt out, and no two are the same."""
    pictures = np.array([render(head, 32)["image"] for head in sampled(40)])
    means = pictures.mean((1, 2, 3))
    assert 15 < means.min() < means.max() < 220
    assert np.mean(pictures == 255) < 0.02
    assert len({picture.tobytes() for picture in pictures}) == 40
    assert pictures.std(axis=0).mean() > 30


# What the factors do.


def landmarks(**head):
    return render(head, 64, ("landmarks",))["landmarks"]


def test_expressions_move_the_landmarks_that_they_name():
    """Landmarks of lips, eyelids and eyebrows move as the factors say; y points down."""
    rest = landmarks()
    assert (landmarks(smile=1.0)[[48, 54], 1] < rest[[48, 54], 1] - 0.5).all()
    assert (landmarks(smile=-1.0)[[48, 54], 1] > rest[[48, 54], 1] + 0.3).all()
    opened = landmarks(jaw=0.5)
    assert opened[66, 1] - opened[62, 1] > rest[66, 1] - rest[62, 1] + 1.5
    closed = landmarks(eyes_closed=1.0)
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        assert closed[lower, 1] - closed[upper, 1] < 0.35 * (rest[lower, 1] - rest[upper, 1])
    assert (landmarks(brows=0.7)[17:27, 1] < rest[17:27, 1]).all()
    assert np.ptp(landmarks(pucker=0.7)[48:60, 0]) < np.ptp(rest[48:60, 0]) - 0.5


def test_a_pose_turns_the_head_as_a_rotation_of_space():
    """Landmarks of a posed head are those of the neutral one, rotated by SciPy and projected by another camera."""
    head = {"yaw": 0.5, "pitch": 0.2, "roll": 0.1, "sex": 0.3, "smile": 0.5}
    mesh = head_model()
    sex = 1.7 * head["sex"] - 0.45
    smile = 0.5 * mesh.expressions[list(EXPRESSIONS).index("smile")]
    points = (mesh.neutral + sex * np.tensordot(mesh.sex, mesh.identities, 1) + smile)[mesh.landmarks]
    turn = Rotation.from_euler("ZXY", [-head["roll"], -head["pitch"], head["yaw"]])
    pivot = np.array([0, -5, -1])
    place, depth = projected(turn.apply(points - pivot) + pivot, 96)
    found = render(head, 96, ("landmarks", "depth"))
    np.testing.assert_allclose(found["landmarks"][FACE], place[FACE], atol=1e-3)
    # The nose's ridge and tip are in front of everything, so the picture shows them at that depth.
    column, row = place[27:31].astype(int).T
    np.testing.assert_allclose(found["depth"][row, column], depth[27:31], atol=0.5)


def test_yaw_pitch_and_roll_have_the_signs_that_they_say():
    """The nose moves to the right with yaw, up with pitch, and the forehead to the right with roll."""
    rest = landmarks()
    assert landmarks(yaw=0.3)[30, 0] > rest[30, 0] + 3
    assert landmarks(pitch=0.3)[30, 1] < rest[30, 1] - 3
    assert landmarks(roll=0.2)[21:23, 0].mean() > rest[21:23, 0].mean() + 2


def test_the_gaze_turns_the_irises():
    """The irises move to the right and up within the eyes, which stay."""

    def irises(**head):
        materials = render(head, 256, ("materials",))["materials"]
        return np.mean(np.nonzero(materials == MATERIALS.index("iris")), axis=1)

    rest = irises()
    assert irises(gaze_x=0.3)[1] > rest[1] + 2
    assert irises(gaze_y=0.25)[0] < rest[0] - 0.8


@pytest.mark.parametrize(
    ("material", "without", "with_it"),
    [
        ("glasses", {}, {"glasses": 1.0}),
        ("beard", {}, {"beard": 1.0}),
        ("hair", {"hair_length": 0.0}, {"hair_length": 0.3}),
        ("teeth", {}, {"jaw": 0.5, "smile": 1.0}),
    ],
)
def test_materials_appear_with_their_factors(material, without, with_it):
    """A material is only where its factor puts it."""
    assert share(without, material) < 0.001
    assert share(with_it, material) > 0.003


def test_lengths_of_hair_and_the_hair_line_are_seen():
    """Longer hair covers more, a receding hair line shows more skin, a goatee is smaller than a beard."""
    covered = [share({"hair_length": length}, "hair") for length in (0.3, 0.6, 1.0)]
    assert covered[0] < covered[1] < covered[2]
    assert share({"hair_line": 1.0}, "skin") > share({"hair_line": 0.0}, "skin") + 0.005
    assert share({"beard": 1.0, "goatee": 1.0}, "beard") < 0.7 * share({"beard": 1.0}, "beard")


def test_colours_and_light_are_seen():
    """Dark skin is darker, the lit side is brighter, warm light is less blue, and the background has its hue."""

    def cheeks(**head):
        found = render({**head, "background_brightness": 0.1}, 64, ("image", "landmarks"))
        nose = found["landmarks"][30]
        row, left, right = int(nose[1]), int(nose[0] - 7), int(nose[0] + 7)
        return found["image"][row, left].astype(float), found["image"][row, right].astype(float)

    assert cheeks(skin=1.0)[0].sum() < 0.6 * cheeks(skin=0.0)[0].sum()
    left, right = (cheeks(light_x=x) for x in (-1.0, 1.0))
    assert left[0].sum() > left[1].sum() + 60
    assert right[1].sum() > right[0].sum() + 60
    cold, warm = (cheeks(light_warmth=w)[0] for w in (0.0, 1.0))
    assert warm[2] / warm[0] < 0.9 * cold[2] / cold[0]
    corner = render({"background_hue": 1 / 3, "background_saturation": 0.5}, 64)["image"][2, 2].astype(int)
    assert corner[1] > corner[[0, 2]].max() + 20


def test_sex_is_a_direction_of_the_identity_and_independent_of_it():
    """What an identity has along the direction of sex does not count, so the two factors do not overlap."""
    mesh, head = head_model(), sampled(1)[0]
    assert np.linalg.norm(mesh.sex) == pytest.approx(1, abs=1e-6)
    moved = {**head, "identity": head["identity"] + 0.7 * mesh.sex}
    np.testing.assert_allclose(*(render(h, 64, ("landmarks",))["landmarks"] for h in (head, moved)), atol=1e-4)
    feminine, masculine = (landmarks(sex=s) for s in (-1.0, 1.0))
    assert np.ptp(masculine[[4, 12], 0]) > np.ptp(feminine[[4, 12], 0]) + 1  # the jaw
    assert np.ptp(masculine[[8, 27], 1]) > np.ptp(feminine[[8, 27], 1]) + 1  # the face
    assert feminine[57, 1] - feminine[51, 1] > masculine[57, 1] - masculine[51, 1]  # the lips


def test_every_identity_mixes_many_components():
    """No component is beyond two deviations or makes up most of an identity, and no identity is near the mean head."""
    identity = sample_factors(2000)["identity"]
    assert np.abs(identity).max() <= 1.5
    assert np.linalg.norm(identity, axis=1).min() > 2.5
    largest = np.square(identity).max(axis=1) / np.square(identity).sum(axis=1)
    assert largest.max() < 0.35


# The rasteriser, against one that asks every pixel for every triangle.


def brute_force(points, depth, triangles, size):
    """Nearest triangle, its depth and weights at every pixel centre, -1 in the background."""
    y, x = np.mgrid[:size, :size] + 0.5
    nearest, closest = np.full((size, size), -1), np.zeros((size, size))
    weights = np.zeros((size, size, 3))
    for number, corners in enumerate(triangles):
        (ax, ay), (bx, by), (cx, cy) = points[corners]
        if x.min() > max(ax, bx, cx) or x.max() < min(ax, bx, cx):
            continue
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if area == 0:
            continue
        second = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
        third = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
        flat = np.stack([1 - second - third, second, third], axis=-1) / depth[corners]
        near = flat.sum(axis=-1)
        visible = (flat >= 0).all(axis=-1) & (near > closest)
        nearest[visible], closest[visible] = number, near[visible]
        weights[visible] = (flat / near[..., None])[visible]
    return nearest, closest, weights


def test_random_triangles_are_seen_as_by_brute_force():
    """Triangles of all sizes, beyond the borders too: the same nearest one, depth and weights at every pixel."""
    rng = np.random.default_rng(0)
    points, depth = rng.uniform(-8, 40, (90, 2)), rng.uniform(3, 9, 90)
    triangles = np.arange(90).reshape(-1, 3)
    nearest, closest, weights = brute_force(points, depth, triangles, 32)
    seen = rasterise(points, depth, triangles, 32)
    found = np.full(32 * 32, -1)
    found[seen.pixels] = seen.triangles
    np.testing.assert_array_equal(found.reshape(32, 32), nearest)
    np.testing.assert_allclose(1 / seen.depth, closest.ravel()[seen.pixels], rtol=1e-5)
    np.testing.assert_allclose(seen.weights, weights.reshape(-1, 3)[seen.pixels], atol=1e-4)


def test_triangles_that_share_edges_leave_no_holes():
    """A jittered grid covers every pixel once, even where edges pass through the centres of pixels."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:9, :9] * 3.5 - 2.0
    inner = np.pad(np.ones((7, 7)), 1)
    points = np.stack([v + inner * rng.integers(-1, 2, x.shape) / 2 for v in (x, y)], axis=-1)
    triangles = geometry.grid_triangles(9, 9, around=False)
    covered = np.zeros(24 * 24, int)
    for triangle in triangles:
        np.add.at(covered, rasterise(points.reshape(-1, 2), np.ones(81), triangle[None], 24).pixels, 1)
    assert (covered == 1).all()
    assert len(rasterise(points.reshape(-1, 2), np.ones(81), triangles, 24).pixels) == 24 * 24


def test_fragments_that_are_not_kept_show_what_is_behind():
    """A hole in the nearer triangle shows the farther one."""
    points = np.array([[-40, -40], [80, -40], [20, 80.0]] * 2)
    depth = np.array([5.0, 5, 5, 3, 3, 3])
    triangles = np.arange(6).reshape(2, 3)
    seen = rasterise(points, depth, triangles, 16, (1, lambda chosen, weights: weights[:, 0] > weights[:, 1]))
    assert len(seen.pixels) == 256
    np.testing.assert_array_equal(seen.triangles == 1, seen.weights[:, 0] > seen.weights[:, 1])


@pytest.mark.parametrize("index", range(2))
def test_depth_and_materials_agree_with_brute_force(index):
    """Every pixel of a bald head has the depth and the part that a search through all triangles finds."""
    head = sampled(2, hair_length=0.0, glasses=float(index), beard=0.0)[index]
    found = render(head, 32, ("depth", "materials"))
    shape, every = shape_of(completed(head)), topology()
    place, depth = projected(shape.vertices.astype(float), 32)
    second, third = (place[every.triangles[:, k]] - place[every.triangles[:, 0]] for k in (1, 2))
    turned = second[:, 0] * third[:, 1] - second[:, 1] * third[:, 0]
    drawn = (every.parts != geometry.HAIR) & (every.parts != geometry.LASH)
    drawn &= (turned < 0) | (every.parts == geometry.SHIRT)
    if not index:
        drawn &= every.parts != geometry.FRAME
    nearest, closest, _ = brute_force(place, depth, every.triangles[drawn], 32)
    parts = np.where(nearest < 0, -1, every.parts[drawn][nearest])
    names = [*[("skin", "lips", "eyebrows", "beard", "hair"), ("mouth",), ("teeth",)], *[("sclera", "iris")] * 2]
    names = dict(enumerate([*names, ("eyelashes",), ("hair",), ("glasses",), ("clothes",)])) | {-1: ("background",)}
    lashes = found["materials"] == MATERIALS.index("eyelashes")
    assert lashes.mean() < 0.01
    for part, materials in names.items():
        allowed = np.isin(found["materials"], [MATERIALS.index(name) for name in materials])
        assert allowed[(parts == part) & ~lashes].mean() > 0.99 if (parts == part).any() else True
    both = (nearest >= 0) & ~lashes
    np.testing.assert_allclose(found["depth"][both], 1 / closest[both], rtol=1e-4)


# Motion.


def test_motion_follows_the_landmarks():
    """Where a landmark is seen, the motion there is the landmark's own."""
    first = sampled(1, hair_length=0.0, yaw=0.1, glasses=0.0)[0]
    second = {**first, "yaw": 0.25, "pitch": 0.1, "smile": first["smile"] + 0.4}
    flow, _ = motion(first, second, 256)
    before, after = (render(head, 256, ("landmarks", "depth")) for head in (first, second))
    column, row = before["landmarks"].astype(int).T
    shape = shape_of(completed(first))
    depth = projected(shape.vertices[head_model().landmarks].astype(float), 256)[1]
    visible = np.abs(before["depth"][row, column] - depth) < 0.15
    assert visible.sum() > 40
    moved = (after["landmarks"] - before["landmarks"])[visible]
    np.testing.assert_allclose(flow[row, column][visible], moved, atol=0.6)
    assert np.abs(moved).max() > 8


def test_motion_leads_to_the_same_point_of_the_surface():
    """The second frame, looked up where the motion leads, has the depth that the point has there."""
    first, second = ({"yaw": yaw, "hair_length": 0.0} for yaw in (0.0, 0.15))
    flow, shown = motion(first, second, 128)
    before = render(first, 128, ("materials", "depth"))
    after = render(second, 128, ("depth", "materials"))
    skin = shown & (before["materials"] == MATERIALS.index("skin"))
    row, column = np.nonzero(skin)
    to = np.floor(np.stack([column, row], 1) + 0.5 + flow[row, column]).astype(int)
    assert skin.mean() > 0.1
    there = after["depth"][to[:, 1], to[:, 0]]
    assert np.isfinite(there).mean() > 0.995
    # The depth of the point in the second frame, from the rotation about the neck's axis.
    x, z = ((column + 0.5) / 128 - 0.5) * 32.4 / 64 * before["depth"][skin], 64 - before["depth"][skin]
    high = (row + 0.5) / 128 < 0.5  # above the neck
    turned = 64 - (-np.sin(0.15) * x + np.cos(0.15) * (z + 1) - 1)
    assert np.median(np.abs(there - turned)[high]) < 0.05
    assert np.mean(np.abs(there - turned)[high] < 0.6) > 0.97


def test_equal_frames_do_not_move():
    """Without a change the motion is zero and everything is shown."""
    head = sampled(1)[0]
    flow, shown = motion(head, head, 64)
    np.testing.assert_allclose(flow, 0, atol=1e-3)
    assert shown.all()


def test_what_turns_away_or_is_taken_off_is_not_shown():
    """An ear that turns away is hidden, and so are glasses that are not there any more; the background stays."""
    flow, shown = motion({"hair_length": 0.0, "yaw": -0.6}, {"hair_length": 0.0, "yaw": 0.6}, 64)
    skin = render({"hair_length": 0.0, "yaw": -0.6}, 64, ("materials",))["materials"] == MATERIALS.index("skin")
    assert 0.2 < shown[skin].mean() < 0.8
    np.testing.assert_array_equal(flow[0, 0], 0)
    _, shown = motion({"glasses": 1.0}, {"glasses": 0.0}, 128)
    frame = render({"glasses": 1.0}, 128, ("materials",))["materials"] == MATERIALS.index("glasses")
    assert not shown[frame].any()


# Sampling.


def test_the_first_heads_do_not_depend_on_the_count():
    """A longer list begins with the shorter one, and seeds differ."""
    few, many = sample_factors(5, seed=3), sample_factors(700, seed=3)
    for name in few:
        np.testing.assert_array_equal(few[name], many[name][:5])
    assert set(few) == {*FACTORS, "identity"}
    assert np.abs(sample_factors(5, seed=4)["sex"] - few["sex"]).min() > 1e-6


def test_factors_are_independent_unless_asked():
    """No pair of factors is correlated by more than chance: six deviations for 3,240 pairs."""
    factors = sample_factors(20_000, seed=1)
    table = np.corrcoef(np.column_stack([*(factors[name] for name in FACTORS), factors["identity"]]).T)
    assert np.abs(table - np.eye(len(table))).max() < 6 / np.sqrt(20_000)


@pytest.mark.parametrize(
    "asked",
    [
        {("beard", "sex"): 0.6},
        {("glasses", "hair_colour"): -0.5},
        {("yaw", "background_hue"): 0.9},
        {("beard", "sex"): 0.5, ("hair_length", "sex"): -0.6, ("glasses", "grey"): 0.4},
    ],
)
def test_correlations_are_those_that_were_asked_for(asked):
    """Pearson's correlation agrees within chance, and all other pairs stay independent."""
    count = 40_000
    factors = sample_factors(count, seed=2, correlations=asked)
    names = list(FACTORS)
    table = np.corrcoef([factors[name] for name in names])
    wanted = np.eye(len(names))
    for (first, second), value in asked.items():
        i, j = names.index(first), names.index(second)
        wanted[i, j] = wanted[j, i] = value
    assert np.abs(table - wanted).max() < 6 / np.sqrt(count)


def test_a_correlation_does_not_change_how_a_factor_is_distributed():
    """Each factor keeps its mean and deviation."""
    plain, tied = (sample_factors(20_000, correlations=c) for c in (None, {("beard", "sex"): 0.7}))
    for name in ("beard", "sex"):
        assert tied[name].mean() == pytest.approx(plain[name].mean(), abs=0.03)
        assert tied[name].std() == pytest.approx(plain[name].std(), abs=0.02)


def test_correlations_that_cannot_be_are_refused():
    """The bounds follow from the distributions; names, forms and contradictions are told."""
    low, high = attainable("glasses", "beard")
    assert -1 < low < -0.3 < 0.5 < high < 1
    with pytest.raises(UserError, match=f"glasses and beard got 0.99; accepted are .* to {0.99 * high:.2f}"):
        read_correlations(["glasses,beard:0.99"])
    with pytest.raises(UserError, match="no factor 'age'"):
        read_correlations(["age,beard:0.5"])
    with pytest.raises(UserError, match="got beard twice"):
        read_correlations(["beard,beard:0.5"])
    for text in ("beard:0.5", "beard,sex", "beard,sex:much", "beard,sex:1"):
        with pytest.raises(UserError, match=f"--correlation got {text}; accepted are two factors"):
            read_correlations([text])
    with pytest.raises(UserError, match="contradict each other"):
        read_correlations(["sex,skin:0.9", "skin,yaw:0.9", "sex,yaw:-0.9"])
    assert read_correlations(["beard,sex:0.5", "skin, yaw:-0.25"]) == {("beard", "sex"): 0.5, ("skin", "yaw"): -0.25}


# Files.


def test_the_folder_is_drawn_once_with_the_factors_that_are_told(tmp_path, monkeypatch, capsys):
    """Pictures are those of `folder_factors`, validation has others, and a second call draws nothing."""
    folder = heads_folder(32, tmp_path, train=4, val=2, correlations={("beard", "sex"): 0.5})
    assert "Drawing 6 heads of 32x32" in capsys.readouterr().out
    assert len(list(folder.rglob("*.png"))) == 6
    train, held = folder_factors(4, 2, correlations={("beard", "sex"): 0.5})
    for part, factors, number in (("train", train, 3), ("val", held, 1)):
        picture = np.asarray(Image.open(folder / part / f"{number + 1:04d}.png"))
        np.testing.assert_array_equal(picture, render(one_head(factors, number), 32)["image"])
    assert not set(train["yaw"]) & set(held["yaw"])
    monkeypatch.setattr(heads, "render", None)  # a second drawing would fail
    assert heads_folder(32, tmp_path, train=4, val=2, correlations={("beard", "sex"): 0.5}) == folder


def test_classes_are_with_and_without_glasses():
    """The label of a head is its factor `glasses`."""
    assert CLASSES == ("no glasses", "glasses")
    assert set(np.unique(sample_factors(200)["glasses"])) == {0, 1}


def test_the_model_is_small_and_has_its_licence():
    """The file is at most 3 MB, and the notice of ICT-FaceKit lies beside it."""
    folder = Path(heads.__file__).parent
    assert (folder / "model.npz").stat().st_size <= 3_000_000
    notice = (folder / "LICENSE-ICT-FaceKit").read_text(encoding="utf-8")
    assert "MIT License" in notice
    assert "USC Institute for Creative Technologies" in notice
