#!/bin/sh
# Puts the kernels compiled at build time where numba may write (the root file system is read-only), then runs
# the command. Kernels of another CPU are compiled anew by themselves.
set -e
if [ -n "${NUMBA_CACHE_DIR:-}" ] && [ ! -e "$NUMBA_CACHE_DIR" ] && [ -d /opt/numba-cache ]; then
    cp -a /opt/numba-cache "$NUMBA_CACHE_DIR" 2>/dev/null || cp -r /opt/numba-cache "$NUMBA_CACHE_DIR" || true
fi
exec "$@"
