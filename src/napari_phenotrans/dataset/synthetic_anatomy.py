"""How a synthetic organoid is built and photographed: rosettes, nuclei, junctions, microscope, camera.

Numbers in the code are micrometers, which ``per_um`` turns into pixels. The canvas is larger than the image, whose
border so cuts through nuclei and rosettes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from collections.abc import Sequence

BORDER_UM = 12.0
OFFSET, COUNTS_PER_PHOTON, READ_NOISE = 110.0, 4.0, 8.0  # of the camera, in counts
NUCLEUS, MITOSIS, JUNCTION = 1050.0, 2200.0, 1700.0  # typical light in DAPI, PH3 and ZO1, in counts
STAGES, STAGE_ODDS = ("prophase", "metaphase", "polar", "anaphase"), (0.25, 0.4, 0.23, 0.12)
PH3_SHARE = (0.038, 0.058)  # of the healthy nuclei


@dataclass
class Cell:
    """A nucleus before it is painted; lengths in pixels, places on the canvas."""

    y: float
    x: float
    a: float
    b: float
    angle: float
    apical: bool
    edge: float  # width of the outline in radii: small is in focus
    brightness: float
    window: tuple[slice, slice]
    along: np.ndarray  # coordinates in the window, in semiaxes
    across: np.ndarray
    radius: np.ndarray  # 0 at the center, 1 at the outline
    bend: np.float32  # of the outline, see `_outline`
    draws: np.ndarray
    stage: str = "interphase"


class Anatomy:
    """One organoid: built from its seed, then photographed with any of its nuclei missing or out of mitosis.

    Parameters
    ----------
    seed, size, pixel_size_um
        As in :func:`napari_phenotrans.dataset.synthetic.organoid`.
    """

    def __init__(self, seed: int, size: int, pixel_size_um: float) -> None:
        self.size, self.per_um = size, 1 / pixel_size_um
        self.border = round(BORDER_UM * self.per_um)
        self.extent = size + 2 * self.border
        self.shape = (self.extent, self.extent)
        tissue, nuclei, background, mitoses, self.camera = np.random.SeedSequence(seed).spawn(5)
        self._build_tissue(np.random.default_rng(tissue))
        self._build_nuclei(np.random.default_rng(nuclei))
        self._build_background(np.random.default_rng(background))
        self._choose_mitoses(np.random.default_rng(mitoses))

    def _noise(self, rng: np.random.Generator, sigma_um: float) -> np.ndarray:
        """Noise of this grain with mean 0 and deviation 1, seamless across the canvas's borders."""
        white = rng.standard_normal(self.shape, dtype=np.float32)
        smooth = ndimage.gaussian_filter(white, sigma_um * self.per_um, mode="wrap", truncate=2.5)
        return (smooth - smooth.mean()) / smooth.std()

    def _build_tissue(self, rng: np.random.Generator) -> None:
        """Depth under the organoid's outline; distance, direction and turn relative to the nearest lumen."""
        per_um, extent = self.per_um, self.extent
        yy, xx = (axis.astype(np.float32) for axis in np.ogrid[:extent, :extent])
        # the organoid covers most of the image, and one edge of it is in view
        turn, reach, shift = rng.uniform(0, 2 * np.pi), rng.uniform(0.52, 0.72), rng.uniform(0.04, 0.3)
        dy = yy - np.float32(extent / 2 + shift * self.size * np.sin(turn))
        dx = xx - np.float32(extent / 2 + shift * self.size * np.cos(turn))
        wobble = _harmonics(rng, np.arctan2(dy, dx), (2, 3, 4, 5, 7), 0.05)
        self.depth = reach * self.size * (1 + wobble) - np.hypot(dy, dx) + 1.2 * per_um * self._noise(rng, 6)

        self.distance = np.full(self.shape, np.inf, np.float32)  # to the lumen's wall, negative inside
        self.rosette = np.zeros(self.shape, np.int32)
        self.around = np.zeros(self.shape, np.float32)  # in radians
        self.thick = np.zeros(self.shape, np.float32)  # of the rosette's epithelium
        places: list[tuple[float, float, float]] = []
        for _ in range(60 + int((extent / per_um) ** 2 / 100)):
            # large round lumens, slits, and small ones that just open
            lumen = per_um * (rng.uniform(7, 15) if rng.uniform() < 0.8 or not places else rng.uniform(3, 5))
            aspect = 1 + 1.7 * rng.uniform() ** 1.5
            epithelium = rng.uniform(0.8, 1.2) * (22 * per_um + lumen)
            whole, tilt = lumen + epithelium, rng.uniform(0, np.pi)
            y, x = (rng.uniform(0, 1, 2) if places else rng.uniform(0.32, 0.68, 2)) * (extent - 1)
            crowded = any(np.hypot(y - v, x - u) < 0.8 * (whole + other) for v, u, other in places)
            if places and (crowded or self.depth[int(y), int(x)] < 0.75 * whole):
                continue
            dy, dx = yy - np.float32(y), xx - np.float32(x)
            u = (dx * np.float32(np.cos(tilt)) + dy * np.float32(np.sin(tilt))) / np.float32(lumen * aspect**0.5)
            v = (dy * np.float32(np.cos(tilt)) - dx * np.float32(np.sin(tilt))) / np.float32(lumen / aspect**0.5)
            around = np.arctan2(v, u)
            level = np.hypot(u, v) - 1 - _harmonics(rng, around, (2, 3, 4, 5), 0.07)
            slope = ndimage.gaussian_filter(np.hypot(*np.gradient(level)), per_um, truncate=2)
            distance = level / slope
            closer = distance < self.distance
            places.append((y, x, whole))
            self.rosette[closer] = len(places)
            self.distance[closer] = distance[closer]
            self.around[closer] = around[closer]
            self.thick[closer] = (epithelium * (1 + _harmonics(rng, around, (2, 3), 0.08)))[closer]
        outward = np.gradient(ndimage.gaussian_filter(self.distance, 1.5 * per_um, truncate=2))
        self.outward = np.arctan2(*outward)

    def _build_nuclei(self, rng: np.random.Generator) -> None:
        """Throw nuclei at random and accept each where there is room."""
        per_um = self.per_um
        taken = np.zeros(self.shape, bool)
        cells: list[Cell] = []
        seeds = np.arange(40)  # of a sunflower: points spread evenly over the unit disk
        probe_u, probe_v = 0.96 * np.sqrt((seeds + 0.5) / 40) * np.array([np.cos(2.4 * seeds), np.sin(2.4 * seeds)])
        # apical nuclei first, then large to small: late small ones fill the gaps, as in a section
        for kind, tries_per_um2, shrink, overlap in (
            ("apical", 0.15, 1.0, 0.0),
            ("large", 0.1, 1.0, 0.05),
            ("middle", 0.14, 0.9, 0.1),
            ("small", 0.14, 0.72, 0.17),
        ):
            place = rng.uniform(0, self.extent - 1, (int(tries_per_um2 * (self.extent / per_um) ** 2), 2))
            row, column = place.astype(int).T
            apart, layer = self.distance[row, column] / per_um, (self.distance / self.thick)[row, column]
            fit = (self.depth[row, column] > 3 * per_um) & ~taken[row, column]
            if kind == "apical":
                fit &= (apart > 5) & (apart < 7.5)
            else:
                # a thin sparse seam outside each rosette, looser tissue beyond
                loose = np.where(layer < 0.93, 1.0, np.where(layer < 1.1, 0.25, 0.55))
                fit &= (apart > 6.5) & (rng.uniform(0, 1, len(place)) < loose)
            place, row, column, apart, layer = place[fit], row[fit], column[fit], apart[fit], layer[fit]
            normal, uniform = rng.standard_normal((6, len(place))), rng.uniform(0, 1, (6, len(place)))
            radial = layer < 1
            if kind == "apical":
                a, b, spread = 4.7 + 0.3 * normal[0], 3.8 + 0.25 * normal[1], 0.3 + 0 * layer
            else:
                a = np.where(radial, 6.0 + 0.8 * normal[0], 4.9 + 0.6 * normal[0])
                b = np.where(radial, 2.9 + 0.28 * normal[1], 3.5 + 0.35 * normal[1])
                spread = np.where(radial, 0.13 + 0.12 * layer, 2.0)
                a[radial] = np.minimum(a[radial], np.maximum(apart[radial] - 1.0, 3.6))
            a = np.clip(a, 3.6, 7.8) * shrink * per_um
            b = np.clip(b, 2.3, 4.4) * shrink**0.5 * per_um
            angle = self.outward[row, column] + spread * normal[2]
            cos, sin = np.cos(angle), np.sin(angle)
            probe_y = place[:, :1] + np.outer(a * sin, probe_u) + np.outer(b * cos, probe_v)
            probe_x = place[:, 1:] + np.outer(a * cos, probe_u) - np.outer(b * sin, probe_v)
            probes = np.clip(np.rint([probe_y, probe_x]), 0, self.extent - 1).astype(np.int32)
            probes = probes[0] * self.extent + probes[1]
            for i in range(len(place)):
                if taken.take(probes[i]).sum() > overlap * 40:
                    continue
                y, x = place[i]
                bend, draws = np.float32(0.13 * normal[3, i]), uniform[:4, i].astype(np.float32)
                window, along, across, radius = self._drawn((y, x), (a[i], b[i]), angle[i], (bend, draws))
                taken[window] |= radius < 0.97
                cells.append(
                    Cell(
                        y, x, a[i], b[i], angle[i], kind == "apical",
                        edge=0.3 + 0.6 * uniform[4, i] ** 3,
                        brightness=np.exp(0.25 * normal[4, i]) * (1 - 0.4 * uniform[4, i] ** 3),
                        window=window, along=along, across=across, radius=radius, bend=bend, draws=draws,
                    )
                )  # fmt: skip

        # nuclei that the image does not show go
        owner = self._owners(cells)
        seen = np.bincount(owner[self.inner].ravel() + 1, minlength=len(cells) + 1)[1:] >= 12
        self.owner = np.append(np.where(seen, np.cumsum(seen) - 1, -1), -1)[owner]
        self.cells = [cell for cell, shown in zip(cells, seen, strict=True) if shown]
        self.grain = 0.6 * self._noise(rng, 0.35) + 0.6 * self._noise(rng, 0.9)
        self.offsets = rng.integers(0, self.extent, (len(self.cells), 2))

    def _drawn(
        self,
        center: tuple[float, float],
        axes: tuple[float, float],
        angle: float,
        outline: tuple[np.float32, np.ndarray],
    ) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray, np.ndarray]:
        """Return a nucleus's window on the canvas, and in it along, across and radius of `Cell`."""
        (y, x), (a, b), cos, sin = center, axes, np.cos(angle), np.sin(angle)
        half = 1.25 * np.hypot([a * sin, a * cos], [b * cos, b * sin]) + 2
        low, high = np.maximum(np.subtract(center, half), 0).astype(int), np.add(center, half + 1).astype(int)
        window = slice(low[0], min(high[0], self.extent)), slice(low[1], min(high[1], self.extent))
        dy = np.arange(window[0].start, window[0].stop, dtype=np.float32)[:, None] - np.float32(y)
        dx = np.arange(window[1].start, window[1].stop, dtype=np.float32) - np.float32(x)
        along = dx * np.float32(cos / a) + dy * np.float32(sin / a)
        across = dy * np.float32(cos / b) - dx * np.float32(sin / b)
        return window, along, across, _outline(along, across, *outline)

    def _owners(self, cells: Sequence[Cell]) -> np.ndarray:
        """Return to which nucleus each pixel of the canvas belongs: that in which it lies deepest; -1 is none."""
        best = np.ones(self.shape, np.float32)
        owner = np.full(self.shape, -1)
        for index, cell in enumerate(cells):
            won = cell.radius < best[cell.window]
            best[cell.window][won] = cell.radius[won]
            owner[cell.window][won] = index
        return owner

    def _swollen(self, cell: Cell, factor: float) -> Cell:
        """Return a nucleus with so many times its area, in its place and of its shape."""
        a, b = cell.a * factor**0.5, cell.b * factor**0.5
        window, along, across, radius = self._drawn((cell.y, cell.x), (a, b), cell.angle, (cell.bend, cell.draws))
        return replace(cell, a=a, b=b, window=window, along=along, across=across, radius=radius)

    @property
    def inner(self) -> tuple[slice, slice]:
        """The image on the canvas."""
        return (slice(self.border, self.border + self.size),) * 2

    def _choose_mitoses(self, rng: np.random.Generator) -> None:
        """Put most mitoses at the lumen and a few elsewhere; the image's border cuts none."""
        low, high = self.border + 5 * self.per_um, self.border + self.size - 5 * self.per_um
        odds = np.array(
            [
                (low < cell.y < high and low < cell.x < high and cell.edge < 0.6) * (1.0 if cell.apical else 0.006)
                for cell in self.cells
            ]
        )
        count = min(round(rng.uniform(*PH3_SHARE) * len(self.cells)), int(np.count_nonzero(odds)))
        if count:
            for index in rng.choice(len(self.cells), count, replace=False, p=odds / odds.sum()):
                self.cells[index].stage = STAGES[int(rng.choice(len(STAGES), p=STAGE_ODDS))]
        self.ph3 = np.exp(0.22 * rng.standard_normal(len(self.cells)))
        self.lean = (0.35 * rng.standard_normal((len(self.cells), 2))).astype(np.float32)

    def _build_background(self, rng: np.random.Generator) -> None:
        """What both conditions share: haze, nuclei out of focus, debris, junctions, illumination."""
        per_um, distance, extent = self.per_um, self.distance, self.extent
        tissue = _step(self.depth / (3 * per_um)) * _step(distance / (1.5 * per_um) + 0.5)
        haze = ndimage.gaussian_filter(tissue, 4 * per_um, truncate=3)
        cloud = self._noise(rng, 5)
        # processes that run from the lumen outwards: noise drawn out along the radius
        turn = self.around * (extent / (2 * np.pi)) + self.rosette * 37
        streaks = ndimage.map_coordinates(
            self._noise(rng, 0.5), [turn, distance * 0.12], order=1, mode="grid-wrap", prefilter=False
        )
        fibers = ndimage.gaussian_filter(streaks * (distance < self.thick), 0.4 * per_um) + 0.7 * self._noise(rng, 1)
        self.background = np.stack(
            [
                haze * (190 + 50 * cloud) + 30,
                tissue * (26 + 5 * fibers) + haze * (45 + 10 * cloud) + 18,
                tissue * (75 + 26 * fibers) + haze * (95 + 20 * cloud) + 25,
            ]
        ).astype(np.float32)
        spots = int((extent / per_um) ** 2 / 90)
        row, column = rng.integers(0, extent, (2, spots))
        size, light = rng.uniform(0, 1, (2, spots))
        deep = (self.depth[row, column] > 3 * per_um) & (distance[row, column] > 5 * per_um)
        inside = distance[row, column] < -2 * per_um
        for i in range(spots):
            if deep[i] and i % 3:  # a nucleus above or below the focus
                self._add_spot(0, row[i], column[i], 2.4 + 1.8 * size[i], 70 + 200 * light[i])
            elif i < 4 or (inside[i] and not i % 3):  # a shed fragment, a clump of antibody
                self._add_spot(0, row[i], column[i], 0.5 + 0.6 * size[i], 150 + 500 * light[i])
                self._add_spot(1, row[i], column[i], 0.4 + 0.3 * size[i], 20 + 120 * light[i])
            elif deep[i]:  # a stray junction
                self._add_spot(2, row[i], column[i], 0.4 + 0.3 * size[i], 60 + 350 * light[i] ** 3)
        self.junctions = self._junctions(rng)
        self.background[2] += self.junctions
        yy, xx = np.ogrid[-1 : 1 : extent * 1j, -1 : 1 : extent * 1j]
        dy, dx = rng.uniform(-0.35, 0.35, 2)
        self.illumination = (1.04 - 0.1 * ((yy - dy) ** 2 + (xx - dx) ** 2)).astype(np.float32)

    def _add_spot(self, channel: int, y: int, x: int, sigma_um: float, light: float) -> None:
        sigma = sigma_um * self.per_um
        half = int(3 * sigma) + 2
        rows = np.arange(max(y - half, 0), min(y + half + 1, self.extent))
        columns = np.arange(max(x - half, 0), min(x + half + 1, self.extent))
        profile = np.exp(-((rows - y)[:, None] ** 2 + (columns - x) ** 2) / (2 * sigma**2))
        self.background[channel, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += light * profile

    def _junctions(self, rng: np.random.Generator) -> np.ndarray:
        """ZO1: a dotted line where the wall stands upright, a honeycomb of apical ends where it is tilted."""
        per_um = self.per_um
        zo1 = np.zeros(self.shape, np.float32)
        near = (np.abs(self.distance) < 9 * per_um) & (self.depth > 0)
        y, x = np.nonzero(near)
        distance, turn, rosette = self.distance[near] / per_um, self.around[near], self.rosette[near]
        lean, uneven = np.zeros_like(distance), np.ones_like(distance)
        for number in np.unique(rosette):
            here = rosette == number
            lean[here] = rng.uniform(0, 2.5) + _harmonics(rng, turn[here], (1, 2, 3), 1.8)
            uneven[here] = 1 + _harmonics(rng, turn[here], (1, 2, 3, 5, 8, 13), 0.16)
        lean, uneven = np.clip(lean, 0, 7), np.clip(uneven, 0.25, 1.8)
        # apical ends are the cells of a Voronoi diagram
        ends = rng.uniform(0, self.extent, (int(self.extent**2 / (2.8 * per_um) ** 2), 2))
        if not len(y):
            return zo1
        gaps, which = cKDTree(ends).query(np.stack([y, x], 1), k=3)
        border, corner = (gaps[:, 1] - gaps[:, 0]) / per_um, (gaps[:, 2] - gaps[:, 0]) / per_um
        strength = rng.uniform(0.5, 1.3, len(ends))[which[:, 0]]
        mesh = np.exp(-((border / 0.6) ** 2)) + 0.7 * np.exp(-((corner / 0.9) ** 2))
        tilted = _step((distance + lean) / 1.5 + 0.5) * _step(0.5 - distance / 0.8)
        line = np.exp(-((distance / 0.6) ** 2)) * (0.35 + 0.8 * np.exp(-((border / 0.8) ** 2)))
        glow = 0.12 * np.exp(-((distance / 2.2) ** 2))
        zo1[near] = JUNCTION * uneven * (strength * (0.6 * mesh * tilted + line) + glow)
        return zo1

    def photograph(
        self, missing: set[int], calmed: set[int], *, swelling: float = 1.0, junctions: float = 1.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take the picture without the cells ``missing`` and with those ``calmed`` (indices) in interphase.

        Nuclei in interphase have ``swelling`` times their area, junctions ``junctions`` times their light.

        Returns
        -------
        (3, size, size) uint16 image and (size, size) int32 labels, which count nuclei from 1.
        """
        scene = self.background.copy()
        if junctions != 1:
            scene[2] += np.float32(junctions - 1) * self.junctions
        cells, owner = self.cells, self.owner
        if swelling != 1:
            cells = [
                self._swollen(cell, swelling) if cell.stage == "interphase" or index in calmed else cell
                for index, cell in enumerate(cells)
            ]
            owner = self._owners(cells)
        labels = np.zeros(self.shape, np.int32)
        there = np.array([index not in missing for index in range(len(cells))] + [False])
        covered = there[owner]
        for index, cell in enumerate(cells):
            if index in missing:
                continue
            own = owner[cell.window] == index
            dapi, ph3, chromatin = self.light_of(cell, index, calm=index in calmed)
            # under a neighbor a nucleus shows little: sections are thin
            light = np.where(own | ~covered[cell.window], np.float32(1), np.float32(0.35))
            scene[0][cell.window] += NUCLEUS * light * dapi
            scene[1][cell.window] += MITOSIS * light * ph3
            labels[cell.window][own & chromatin] = index + 1

        # microscope: a sharp core and a wide skirt, both of finite reach
        blurred = np.empty((3, self.size, self.size), np.float32)
        for channel, plane in enumerate(scene):
            sharp = ndimage.gaussian_filter(plane, 0.45 * self.per_um, truncate=4)
            skirt = ndimage.gaussian_filter(plane, 2.2 * self.per_um, truncate=3)
            blurred[channel] = ((0.78 * sharp + 0.22 * skirt) * self.illumination)[self.inner]
        # camera: the draws belong to the seed, their strength to the light: equal light gives equal counts
        shot, read = np.random.default_rng(self.camera).standard_normal((2, *blurred.shape), dtype=np.float32)
        counts = OFFSET + blurred + np.sqrt(COUNTS_PER_PHOTON * np.maximum(blurred, 0)) * shot + READ_NOISE * read
        return np.clip(np.rint(counts), 0, 65535).astype(np.uint16), labels[self.inner].copy()

    def light_of(self, cell: Cell, index: int, *, calm: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a cell's light in DAPI and PH3 within its window, in typical nuclei and mitoses, and its chromatin.

        ``cell`` is the cell ``index`` of `cells`, or a section of it; ``calm`` shows a mitosis in interphase.
        """
        top, left = self.offsets[index]
        rows, columns = (np.arange(n) for n in cell.radius.shape)
        grain = self.grain[((top + rows) % self.extent)[:, None], (left + columns) % self.extent]
        if cell.stage == "interphase" or calm:
            dapi = cell.brightness * self._interphase(cell, index, grain)
            return dapi, 0.014 * dapi, cell.radius < 1
        dapi, ph3 = self._mitosis(cell, index, grain)
        return dapi, self.ph3[index] * ph3, dapi > 0.7

    def _interphase(self, cell: Cell, index: int, grain: np.ndarray) -> np.ndarray:
        """DAPI: a rim of heterochromatin, a grain, one to three dark nucleoli."""
        body = _step((1 - cell.radius) / cell.edge + 0.5)
        thickness = np.sqrt(np.maximum(1 - cell.radius**2, 0))
        chromatin = (0.7 + 0.32 * thickness + 0.16 * cell.radius**3) * (1 + 0.26 * grain)
        phase_u, phase_v = (int(offset) for offset in self.offsets[index])
        for hole in range(1 + phase_u % 3):
            u, v = 0.5 * np.sin(2.4 * hole + phase_u), 0.35 * np.cos(1.7 * hole + phase_v)
            apart = ((cell.along - np.float32(u)) * cell.a) ** 2 + ((cell.across - np.float32(v)) * cell.b) ** 2
            chromatin *= 1 - np.float32(0.42) * np.exp(apart * np.float32(-0.9 / self.per_um**2))
        return body * np.clip(chromatin, 0.2, 2.2)

    def _mitosis(self, cell: Cell, index: int, grain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """DAPI in units of an interphase nucleus, PH3 in units of a mitosis."""
        if cell.stage == "prophase":
            clumps = _step((0.95 - cell.radius) / 0.25 + 0.5) * np.clip(0.75 + 0.55 * grain, 0.15, 2)
            return 1.3 * clumps, 0.62 * clumps
        turn, curl = self.lean[index]
        u, v = cell.along * (cell.a / self.per_um), cell.across * (cell.b / self.per_um)
        # along the plate, which stands upright on the lumen's wall, and across it
        p, q = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
        rough = 1 + 0.2 * grain
        if cell.stage == "metaphase":
            body = _plate(p, q + 0.15 * curl * p * p, 3.3 + curl, 1.4, rough)
        elif cell.stage == "polar":
            body = _plate(p, q, 2.9 + curl, 2.6, rough) * (1 - 0.45 * np.exp(-(p * p + q * q) / 1.2))
        else:
            apart, bow = 2.1 + curl, 0.09 * p * p
            body = _plate(p, q - apart + bow, 2.5 + turn, 1.15, rough)
            body = np.maximum(body, _plate(p + curl, q + apart - bow, 2.6 - curl, 1.15, rough))
        return 2.1 * body * (0.9 + 0.14 * grain), body * (0.9 + 0.17 * grain)


def _outline(u: np.ndarray, v: np.ndarray, bend: np.float32, draws: np.ndarray) -> np.ndarray:
    """0 at the center, 1 at the outline: an ellipse, bent, with a second and a third harmonic."""
    v = v - bend * (u * u - np.float32(0.3))
    radius = np.hypot(u, v) + np.float32(1e-6)
    c, s = u / radius, v / radius
    cos2, sin2 = c * c - s * s, 2 * c * s
    cos3, sin3 = cos2 * c - sin2 * s, sin2 * c + cos2 * s
    two, three = np.float32(6.283) * draws[1], np.float32(6.283) * draws[3]
    second = np.cos(two) * cos2 - np.sin(two) * sin2
    third = np.cos(three) * cos3 - np.sin(three) * sin3
    return radius / (1 + np.float32(0.05) * draws[0] * second + np.float32(0.08) * draws[2] * third)


def _plate(p: np.ndarray, q: np.ndarray, half_p: float, half_q: float, rough: np.ndarray) -> np.ndarray:
    """A superellipse with soft, uneven edges."""
    radius = (np.abs(p / half_p) ** 2.3 + np.abs(q / half_q) ** 2.3) ** (1 / 2.3)
    return _step((rough - radius) / 0.4 + 0.5)


def _step(t: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, smooth between."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def _harmonics(rng: np.random.Generator, turn: np.ndarray, orders: tuple[int, ...], strength: float) -> np.ndarray:
    """A smooth closed curve around 0 over angles in [-π, π], higher orders weaker."""
    table = np.linspace(-np.pi, np.pi, 1025)
    heights = strength * rng.standard_normal(len(orders)) / np.sqrt(orders)
    phases = rng.uniform(0, 2 * np.pi, len(orders))
    curve = (heights[:, None] * np.cos(np.outer(orders, table) + phases[:, None])).sum(0)
    return np.interp(turn, table, curve).astype(np.float32)
