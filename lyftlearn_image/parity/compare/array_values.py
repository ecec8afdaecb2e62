"""Where two numpy arrays of one type and shape have the same values, and how far apart the others are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from lyftlearn_image.parity.compare.options import Options

    Array = np.ndarray[Any, np.dtype[Any]]

# Unit of a datetime64 or timedelta64 → nanoseconds, as numerator and denominator. Months and years have no one length.
_UNITS = {
    "as": (1, 10**9), "fs": (1, 10**6), "ps": (1, 10**3), "ns": (1, 1), "us": (10**3, 1), "ms": (10**6, 1), "s": (10**9, 1),
    "m": (60 * 10**9, 1), "h": (3600 * 10**9, 1), "D": (86400 * 10**9, 1), "W": (7 * 86400 * 10**9, 1),
}  # fmt: skip
# Kinds of numpy types that have a distance: floats, integers, unsigned ones.
REAL_KINDS = "fiu"
_TIME_KINDS = "mM"
_LARGEST_FLOAT_BYTES = 8


def same_values(left: Array, right: Array, options: Options) -> Any:
    """Where two arrays of one type and shape have the same value: an array of truth values of that shape."""
    import numpy as np  # noqa: PLC0415 - 100 ms, for suites with arrays

    if left.dtype.names is not None:
        same = np.ones(left.shape, bool)
        for name in left.dtype.names:
            field = same_values(left[name], right[name], options)
            # A field of a record may be an array itself: its own axes come last.
            same &= field.all(axis=tuple(range(left.ndim, field.ndim)))
        return same
    same = np.asarray(left == right)
    if options.equal_nan and left.dtype.kind in "fcmM":
        same = same | (_missing(left) & _missing(right))
    if same.all():
        return same
    different = ~same
    same[different] = _close(left[different], right[different], options)
    return same


def _missing(values: Array) -> Any:
    import numpy as np  # noqa: PLC0415 - see same_values

    if values.dtype.kind == "c":
        return np.isnan(values.real) & np.isnan(values.imag)
    return np.isnan(values)


def _close(left: Array, right: Array, options: Options) -> Any:
    """Where values that are not equal are the same by the rule's tolerance."""
    import numpy as np  # noqa: PLC0415 - see same_values

    kind = left.dtype.kind
    with np.errstate(all="ignore"):
        if kind == "c":
            return _close_complex(left, right, options)
        if kind == "f" and options.has_number_tolerance:
            return _close_floats(left, right, options)
        if kind in "iu" and (options.rtol or options.atol):
            return distance(left, right) <= options.atol + options.rtol * np.abs(right.astype(float))
        if kind in _TIME_KINDS and options.atol_time:
            return _close_times(left, right, options)
    return np.zeros(left.shape, bool)


def _close_floats(left: Array, right: Array, options: Options) -> Any:
    import numpy as np  # noqa: PLC0415 - see same_values

    is_finite = np.isfinite(left) & np.isfinite(right)
    allowed = options.atol + options.rtol * np.abs(_widened(right))
    close = distance(left, right) <= allowed
    if options.ulp:
        close |= _ulps_apart(left, right) <= options.ulp
    return close & is_finite


def _close_complex(left: Array, right: Array, options: Options) -> Any:
    """By the distance in the plane, or each part by ulps; a part that is no finite number must be the same itself."""
    import numpy as np  # noqa: PLC0415 - see same_values

    parts = []
    for one, other in ((left.real, right.real), (left.imag, right.imag)):
        same = one == other
        if options.equal_nan:
            same |= np.isnan(one) & np.isnan(other)
        parts.append((np.where(same, 0, one), np.where(same, 0, other), same))
    (left_real, right_real, same_real), (left_imag, right_imag, same_imag) = parts
    if not options.has_number_tolerance:
        return same_real & same_imag
    is_finite = np.isfinite(left_real) & np.isfinite(right_real) & np.isfinite(left_imag) & np.isfinite(right_imag)
    size = np.hypot(*(np.where(np.isfinite(part), _widened(part), 0) for part in (right.real, right.imag)))
    apart = np.hypot(distance(left_real, right_real), distance(left_imag, right_imag))
    close = apart <= options.atol + options.rtol * size
    if options.ulp:
        close |= (_ulps_apart(left_real, right_real) <= options.ulp) & (_ulps_apart(left_imag, right_imag) <= options.ulp)
    return close & is_finite


def _close_times(left: Array, right: Array, options: Options) -> Any:
    import numpy as np  # noqa: PLC0415 - see same_values

    unit, count = np.datetime_data(left.dtype)
    if unit not in _UNITS:
        return np.zeros(left.shape, bool)
    numerator, denominator = _UNITS[unit]
    allowed = options.atol_time_ns * denominator // (numerator * count)
    apart = distance(left.view(f"{left.dtype.byteorder}i8"), right.view(f"{right.dtype.byteorder}i8"))
    return (apart <= np.uint64(min(allowed, 2**64 - 1))) & ~np.isnat(left) & ~np.isnat(right)


def distance(left: Array, right: Array) -> Any:
    """|left - right| of floats or integers, exact for integers of any size, and in a type that holds that of float16."""
    import numpy as np  # noqa: PLC0415 - see same_values

    with np.errstate(all="ignore"):
        if left.dtype.kind == "f":
            return np.abs(_widened(left) - _widened(right))
        return _integers_apart(left, right)


def _integers_apart(left: Array, right: Array) -> Any:
    """Modulo 2**64, in which the larger one less the smaller one is always in range."""
    import numpy as np  # noqa: PLC0415 - see same_values

    larger, smaller = np.maximum(left, right), np.minimum(left, right)
    return larger.astype(np.uint64) - smaller.astype(np.uint64)


def _ulps_apart(left: Array, right: Array) -> Any:
    """How many floats of their type further the one is from the other."""
    import numpy as np  # noqa: PLC0415 - see same_values

    if left.dtype.itemsize > _LARGEST_FLOAT_BYTES:  # no integer is as long
        return np.abs(left - right) / np.spacing(np.minimum(np.abs(left), np.abs(right)))
    return _integers_apart(_ordinals(left), _ordinals(right))


def _ordinals(values: Array) -> Any:
    """The place of each float among all of its type, of which 0.0 and -0.0 have the place 0."""
    import numpy as np  # noqa: PLC0415 - see same_values

    native = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    bits = native.view(f"i{native.dtype.itemsize}").astype(np.int64)
    negative_zero = np.int64(-(2 ** (8 * native.dtype.itemsize - 1)))
    return np.where(bits >= 0, bits, negative_zero - bits)


def _widened(values: Array) -> Any:
    import numpy as np  # noqa: PLC0415 - see same_values

    return values.astype(np.result_type(values, np.float64))
