# Sourced by the scripts: changes to the root of the tree and installs what is missing, never twice.
#
#   need GROUP...    build: compile and run the programs; checks: sanitizers, ABI; broker: a real broker and its judge;
#                    python: the Python package; scripting: the Ruby and Lua ones

cd "$(dirname "$0")/.." || exit 1
mkdir -p build/log

say() { # progress: only for somebody who watches
    if [ -t 1 ]; then printf '%s\n' "$*"; fi
}

have() { command -v "$1" > /dev/null 2>&1; }
have_package() { dpkg-query -W -f '${Status}' "$1" 2> /dev/null | grep -q 'install ok installed'; }
have_header() { printf '#include <%s>\n' "$1" | cc -fsyntax-only -x c - > /dev/null 2>&1; }

# One line per thing: what it is looked for by, and the Debian package that brings it.
missing_build() {
    { have gcc && have g++ && have make; } || echo build-essential
    have cmake || echo cmake
    have ninja || echo ninja-build
    have pkg-config || echo pkg-config
    have python3 || echo python3
    { have cc && have_header criterion/criterion.h; } || echo libcriterion-dev
    { have cc && have_header uthash.h; } || echo uthash-dev
    { have cc && have_header ares.h; } || echo libc-ares-dev
    { have cc && have_header jansson.h; } || echo libjansson-dev
}

missing_checks() {
    have patch || echo patch
    have clang || echo clang
    # clang without its run-time library only fails at the first link of a sanitized program
    { have clang && [ -e "$(clang -print-runtime-dir 2> /dev/null)/libclang_rt.asan-$(uname -m).a" ]; } ||
        { have clang && [ -e "$(clang -print-file-name=lib/linux/libclang_rt.asan-"$(uname -m)".a)" ]; } ||
        echo libclang-rt-14-dev
    { have abidw && have abidiff; } || echo abigail-tools
}

missing_broker() {
    have python3 || echo python3
    have javac || echo openjdk-17-jdk-headless
    have mvn || echo maven
    have_package ca-certificates || ! have dpkg-query || echo ca-certificates
}

missing_python() { # SWIG comes from PyPI, as a requirement of the package's build
    have python3 || echo python3
    { have python3 && python3 -c 'import ensurepip' 2> /dev/null; } || echo python3-venv
    { have python3 && [ -e "$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ]; } ||
        echo python3-dev
}

missing_scripting() {
    missing_python # for SWIG
    have ruby || echo ruby
    { have ruby && [ -e "$(ruby -rrbconfig -e 'print RbConfig::CONFIG["rubyhdrdir"]')/ruby.h" ]; } || echo ruby-dev
    have lua5.4 || echo lua5.4
    { have pkg-config && pkg-config --exists lua5.4; } || echo liblua5.4-dev
}

need() {
    wanted=""
    for group in "$@"; do
        wanted="$wanted $("missing_$group")"
    done
    # shellcheck disable=SC2086
    wanted=$(printf '%s\n' $wanted | sort -u | tr '\n' ' ')
    wanted=${wanted% }
    if [ -z "$wanted" ]; then
        return 0
    fi
    if ! have apt-get; then
        echo "missing: $wanted (names of Debian packages; there is no apt-get here to install them with)" >&2
        exit 1
    fi
    as_root=""
    if [ "$(id -u)" != 0 ]; then
        have sudo || { echo "missing: $wanted (Debian packages; installing them takes root or sudo)" >&2; exit 1; }
        as_root=sudo
    fi
    say "installing the Debian packages $wanted"
    log=build/log/packages.log
    # shellcheck disable=SC2086
    if ! { $as_root apt-get update &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $wanted; } \
        > "$log" 2>&1 < /dev/null; then
        tail -n 15 "$log" >&2
        echo "wanted the Debian packages $wanted from a Debian package archive, and apt-get failed (all of it: $log)" >&2
        exit 1
    fi
}
