#!/usr/bin/env bash
# The packages that run and boot try, and what they depend on. To be sourced, after roots.sh and telling.sh.

# build_packages DIR OLD_REV NEW_REV: they are in DIR/old and DIR/new then.
build_packages() {
    step "the package of $2 is built" take "$2" "$1/old"
    step "the package of $3 is built" take "$3" "$1/new"
    step '  …and is the newer one' is_newer "$1"
}

# take REV FOLDER: the packages of a commit, built unless they are there, become FOLDER's.
take() {
    local commit version
    commit=$(git rev-parse --short=7 "$1^{commit}") && version=$(git rev-list --count "$commit").$commit || return
    is_built "$version" || scripts/package --commit "$commit" --no-lint || return
    mkdir -p "$2" && cp build/packages/{mosquitto-provisioning,device-agent}_*"+git${version}"_*.deb "$2/"
}
is_built() { compgen -G "build/packages/mosquitto-provisioning_*+git$1_*.deb" >/dev/null; }
is_newer() {
    dpkg --compare-versions "$(dpkg-deb -f "$1"/new/mosquitto*.deb Version)" gt "$(dpkg-deb -f "$1"/old/mosquitto*.deb Version)"
}

# fetch_packages DIR ROOT: what they depend on, into apt's cache there. Of both, for it may differ. In the root DIR is
# /packages, by root_bind.
fetch_packages() {
    local from files
    for from in old new; do
        files=("$1/$from"/*.deb)
        root_run "$2" apt-get -q -y -o APT::Sandbox::User=root install --download-only "${files[@]/#$1//packages}" || return
    done
}
