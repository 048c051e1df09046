"""The lens model's constants: both implementations draw by these numbers, and so draw the same picture.

Radii and circles of confusion (CoC) are in pixels of the frame unless a name says otherwise.
"""

# --- In focus -----------------------------------------------------------------------------------------------

IN_FOCUS_PX = 0.5  # a pixel blurred by less than its own half is not blurred at all
FADE_PX = 0.1  # blur sets in over this much, so that nothing pops as focus moves
NEGLIGIBLE_COVERAGE = 1 / 1024  # a quarter of an 8-bit code: a sharp pixel covered by less stays untouched

# --- Layers of equal blur -----------------------------------------------------------------------------------

FULL_SIZE_RADIUS_PX = 6  # up to here layers are blurred at full size, where cells would show
LARGEST_RADIUS_CELLS = 8  # of an aperture before its cells double: none is wider than 17 cells
FULL_SPACING_END_PX = 2.0 * LARGEST_RADIUS_CELLS  # layers are 1 px apart up to here, where cells become 4 px,
EVEN_SPACING_END_PX = 4 * FULL_SPACING_END_PX  # 2 px apart up to here, and a quarter of a cell beyond
# Share of the layer at +-1 px in a pixel blurred by less: rise x radius - offset. So mixed with the layer in
# focus it keeps about as much of each frequency as the disc between does: least squares, weighted by the
# spectrum of pictures, 1 / f^2. By equal variance the finest details would stay too strong.
FIRST_LAYER_RISE, FIRST_LAYER_OFFSET = 1.5, 0.42
ROUNDING = 1e-4  # a share below this is rounding of the CoC and must not reach for another layer
BOX_VARIANCE = 1 / 12  # of a pixel's own area, in px^2 along one axis; a disc of radius r has r^2 / 4
NARROW_CELLS = 5  # wide: a narrower aperture is drawn exactly, a wider one as the ends of a running sum

# --- Composition --------------------------------------------------------------------------------------------

# A slanted surface lies on several neighboring layers: those within so many spacings add up, as one surface;
# layers farther apart occlude each other.
ONE_SURFACE_SPACINGS = 2.5
REMEMBERED_LAYERS = 6  # in front, that can still belong to the surface of the layer laid now
LEAST_COVERAGE = 1e-6  # light is divided by at least this

# --- Depth edges --------------------------------------------------------------------------------------------

EDGE_STEP_PX = 2.0  # two surfaces: their circles of confusion differ by at least this
SAME_SURFACE_PX = 1.5  # one surface: neighboring pixels differ by less than this

# Ramps: an estimated disparity map passes from near to far over several pixels.
RAMP_WINDOW_PX = 3  # a ramp's ends are looked for up to this far: Gaussian blur of up to sigma 2 px
STEADY = 0.15  # each of a ramp's steps is at least this share of its largest
LEAST_RISE = 0.4  # three steps of a ramp rise by at least this share of the range around
BEYOND_PX = 7  # how far along its axis a ramp has to have ended; else it is a slanted surface
RAMP_AXES = ((0, 1), (1, 0), (1, 1), (1, -1))  # down, across

# Matting: an edge pixel mixes the colors of two surfaces. Contrasts are squared distances in linear light.
TRUSTED_CONTRAST = 4.0  # a color tells its mixture where contrast is well above this x variance
PLAUSIBLE_MIXTURE = 4.0  # how fast trust falls with a color's distance from the mixing line
LARGEST_SHARE = 0.75  # of the nearer surface in a pixel whose center shows the farther one
NO_CONTRAST = 1e-9  # keeps 0 / 0 out where both surfaces have one color
FAINT_CONTRAST = 1e-6  # colors nearer than this are alike: no distance from their line counts
CLIPPED = 0.98  # linear light from which the brightest channel does not tell how bright a light is
CLIPPED_CONTRAST = 0.05  # at which a clipped thing stands out as a light
RIM_GAIN = 2.5  # a pixel whose center a light misses is at most half its own: white there is more than white
BLURRED_PX = 1.0  # lights in focus are drawn as they were clipped

# Coverage: pixels that a held subject covers partly. Around them a square of samples is looked at,
# nearest first; they are wider apart in larger frames.
PARTLY = 1 / 512  # of a pixel: less than half an 8-bit code is nothing, and so much less than 1 is all of it
SEPARATED_PX = 1.0  # blur of the background from which its color is told from the subject's
SAMPLED_SIDE_PX = 1000  # of a frame whose samples are a pixel apart
SAMPLES_DOWN_ACROSS = sorted(
    ((dy, dx) for dy in range(-4, 5) for dx in range(-4, 5) if dy or dx),
    key=lambda place: (place[0] ** 2 + place[1] ** 2, place),
)
CLEAN_SHARE = 8  # the power of a sample's share with which it counts for its surface's color
SAMPLE_SIGMA = 2.0  # samples: nearer ones count more
LEAST_SAMPLES = 1e-3  # of a surface's weights: below, its color is not known

# --- Disocclusion: the background of blurred edges ----------------------------------------------------------

SEARCH_SIDE_PX = 540  # the search runs on a frame whose shorter side is about this
SEARCH_DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))  # down, across
# Colors that walks find differ from pixel to pixel, in streaks. They are averaged with those of eight pixels
# around, at that share of the way to the nearest hit: far behind an edge nobody knows details.
STREAK_SHARES = (0.5, 0.25)
OCCLUDED_REACH = 1.1  # how far behind an edge light can come from, in largest radii


def sample_step(height: int, width: int) -> int:
    """How many pixels the samples around a partly covered pixel of a frame are apart."""
    return max(1, round(max(height, width) / SAMPLED_SIDE_PX))


def search_stride(height: int, width: int) -> int:
    """Every how many pixels of a frame the search behind edges begins."""
    return max(1, round(min(height, width) / SEARCH_SIDE_PX))
