"""An empty proxy-wasm filter, written byte by byte.

It exports every stream callback and answers each with "continue": what Envoy's wasm costs before any work is done.
A module without the callbacks would cost less and show less, for Envoy skips what a module doesn't export.
Generated here, so that no second toolchain or binary is in the tree.
"""

_I32 = 0x7F

# ABI 0.2.1: name -> (number of i32 arguments, the constant it returns or None)
_EXPORTS: dict[str, tuple[int, int | None]] = {
    "proxy_abi_version_0_2_1": (0, None),
    # The host copies data into the module only when asked to by a host call, and this filter makes none.
    "proxy_on_memory_allocate": (1, 0),
    "proxy_on_context_create": (2, None),
    "proxy_on_vm_start": (2, 1),
    "proxy_on_configure": (2, 1),
    "proxy_on_request_headers": (3, 0),
    "proxy_on_request_body": (3, 0),
    "proxy_on_request_trailers": (2, 0),
    "proxy_on_response_headers": (3, 0),
    "proxy_on_response_body": (3, 0),
    "proxy_on_response_trailers": (2, 0),
    "proxy_on_done": (1, 1),
    "proxy_on_log": (1, None),
    "proxy_on_delete": (1, None),
}


def _number(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def _vector(items: list[bytes]) -> bytes:
    return _number(len(items)) + b"".join(items)


def _section(code: int, items: list[bytes]) -> bytes:
    body = _vector(items)
    return bytes([code]) + _number(len(body)) + body


def empty_filter() -> bytes:
    """The module's bytes."""
    types, functions, exports, code = [], [], [], []
    for index, (name, (arity, result)) in enumerate(_EXPORTS.items()):
        results = [] if result is None else [bytes([_I32])]
        types.append(b"\x60" + _vector([bytes([_I32])] * arity) + _vector(results))
        functions.append(_number(index))
        exports.append(_number(len(name)) + name.encode() + b"\x00" + _number(index))
        body = b"\x00" + (b"" if result is None else b"\x41" + _number(result)) + b"\x0b"
        code.append(_number(len(body)) + body)
    exports.append(b"\x06memory\x02\x00")
    memory = [b"\x00\x01"]
    sections = [_section(1, types), _section(3, functions), _section(5, memory), _section(7, exports), _section(10, code)]
    return b"\x00asm\x01\x00\x00\x00" + b"".join(sections)
