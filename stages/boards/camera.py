"""A painted board to a photograph: light, white balance, lens blur, sensor noise."""

import cv2
import numpy as np

from stages.boards.style import Style


def photograph(painted: np.ndarray, style: Style, rng: np.random.Generator) -> np.ndarray:
    """Photograph a painted board.

    The direction of the light's gradient, exposure, white balance and noise differ a little from photo to photo;
    what is typical of one shoot comes from the style. Noise is shot noise, its standard deviation growing with the
    square root of the signal, part of it common to the three channels.

    Args:
        painted: (3, height, width) float32 RGB, 0..255.
        style: of the design.
        rng: source of chance.

    Returns:
        (height, width, 3) uint8 RGB, in which every pixel shows the one of the painting.
    """
    _, height, width = painted.shape
    gains = np.array(style.white_balance) * rng.uniform(0.985, 1.015, 3) * rng.uniform(0.96, 1.04)
    light = _light(height, width, style, style.light + rng.normal(0, 0.2))
    common = rng.standard_normal((height, width), np.float32)
    photo = np.empty((height, width, 3), np.uint8)
    for channel, (plane, gain) in enumerate(zip(painted, gains, strict=True)):
        signal = cv2.GaussianBlur(plane, (0, 0), style.blur_px)
        signal *= light
        signal *= np.float32(gain)
        np.maximum(signal, 0, out=signal)
        noise = rng.standard_normal((height, width), np.float32)
        noise += common
        noise *= np.sqrt(signal * (1 / 128) + 0.1)
        noise *= 0.71 * style.noise
        noise = cv2.GaussianBlur(noise, (3, 3), 0.45)  # demosaicing spreads it a little
        signal += noise
        photo[..., channel] = cv2.convertScaleAbs(np.maximum(signal, 0, out=signal))
    return photo


def _light(height: int, width: int, style: Style, towards: float) -> np.ndarray:
    """Brightness over the image: a gradient and a weak vignette, float32 (height, width), 1 in the centre."""
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :]
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    slope = np.float32(style.gradient * np.cos(towards)) * x + np.float32(style.gradient * np.sin(towards)) * y
    return 1 - slope - style.gradient * (x * x + y * y)
