"""The factors of a head."""
from __future__ import annotations

import numpy as np
from scipy.special import ndtri

NEUTRAL = dict(
    yaw=0.0, pitch=0.0, roll=0.0, smile=0.0, jaw=0.0, pucker=0.0, eyes_closed=0.0, brows=0.0, gaze_x=0.0, gaze_y=0.0,
    sex=0.0, skin=0.25, flush=0.5, freckles=0.0, eye_colour=0.3, hair_colour=0.3, hair_red=0.3, grey=0.0, hair_length=0.35, hair_volume=0.4,
    hair_line=0.2, curl=0.0, parting=0.3, fringe=0.0, strands=0.5, brow_thickness=0.5, beard=0.0, beard_length=0.3, goatee=0.0, glasses=0.0, glasses_size=0.5, glasses_square=0.5, glasses_colour=0.1,
    lips=0.4, light_x=-0.6, light_y=0.6, light_warmth=0.5, light_hardness=0.6, background_hue=0.6, background_saturation=0.2, background_brightness=0.5, clothes_hue=0.6, clothes_saturation=0.3, clothes_brightness=0.4,
)


def sample(rng):
    u, n = rng.uniform, rng.normal
    f = dict(NEUTRAL)
    f.update(
        identity=np.clip(n(size=40), -2, 2) * 0.75, sex=u(-1, 1), yaw=np.clip(n() * 0.28, -0.75, .75), pitch=np.clip(n() * 0.11, -.3, .3), roll=np.clip(n() * 0.07, -.2, .2),
        smile=u(-0.35, 1.0), jaw=max(0, u(-1.2, 0.5)), eyes_closed=float(u() < 0.06) * u(.7, 1) , brows=u(-0.6, 0.7), gaze_x=n() * 0.13, gaze_y=n() * 0.07,
        skin=u(), flush=u(), freckles=max(0, u(-3, 1)), eye_colour=u(), hair_colour=u()**1.4, hair_red=u(), grey=max(0, u(-3, 1)), hair_length=0.02 + 0.98 * u()**0.8, hair_volume=u(), hair_line=u() ** 1.5,
        curl=max(0, u(-1, 1)), parting=u(-1, 1), fringe=max(0, u(-1.5, 1)), strands=u(), brow_thickness=u(), beard=max(0, u(-1.5, 1)), beard_length=u(), goatee=float(u()<.3), glasses=float(u() < 0.25), glasses_size=u(), glasses_square=u(), glasses_colour=u(),
        lips=u(), light_x=u(-1.2, 1.2), light_y=u(0.1, 1.0), light_warmth=u(), light_hardness=u(), background_hue=u(), background_saturation=u(0, .5), background_brightness=u(.08, .9), clothes_hue=u(), clothes_saturation=u(0, .7), clothes_brightness=u(.05, .85),
    )
    return f
