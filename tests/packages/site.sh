#!/usr/bin/env bash
# A site with a broker, a factory and devices, for story and booted: where things are, and what people do there. To be
# sourced; the packages are in the folders old and new beside it.

# shellcheck disable=SC2034 # not each is used by both
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
registry=/var/lib/mosquitto/provisioning
files=/etc/mosquitto/provisioning
snippet=/etc/mosquitto/conf.d/provisioning.conf
plugin=/usr/lib/mosquitto/mosquitto_provisioning.so
made=/root/made # what the factory and the devices have
state=/var/lib/device-agent
trust=$files/server.crt # what devices know the broker by
mkdir -p "$made"

apt_get() { apt-get -q -y -o Dpkg::Use-Pty=0 -o APT::Sandbox::User=root -o DPkg::Lock::Timeout=300 "$@"; }
install_package() { apt_get install "$here/$1/$2"_*.deb; }
version_of() { dpkg-query -W -f '${Version}' "$1"; }
package_version() { dpkg-deb -f "$here/$1/$2"_*.deb Version; }
mode_of() { stat -c '%A %U:%G' "$1"; }

# ---- what people and devices do ----------------------------------------------------------------------

make_ca() { # name
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" -keyout "$made/$1.key" \
        -out "$made/$1.pem" -addext keyUsage=critical,keyCertSign
}
make_device() { # name
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/O=Acme/CN=$1" -keyout "$made/$1.key" \
        -out "$made/$1.csr" && openssl x509 -req -in "$made/$1.csr" -CA "$made/factory.pem" -CAkey "$made/factory.key" \
        -CAcreateserial -days 30 -out "$made/$1.pem"
}
# The operator's own server certificate, readable for the broker and nobody else.
make_server() {
    install -d -m 0750 -o root -g mosquitto "$files" &&
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
            -addext subjectAltName=DNS:localhost -keyout "$files/server.key" -out "$files/server.crt" &&
        chown root:mosquitto "$files/server.key" && chmod 0640 "$files/server.key"
}
publishes() { # name: connects, publishes and is acknowledged
    timeout 20 mosquitto_pub -h localhost -p 8883 --cafile "$trust" --cert "$made/$1.pem" --key "$made/$1.key" \
        -i "$1" -q 1 -t "dt/$1/hello" -m hello
}
publishes_plain() { timeout 20 mosquitto_pub -h 127.0.0.1 -p 1883 -t t -m hello; }

belongs_to_broker() { is '' find "$registry" ! -user mosquitto; }
certificates() { provctl cert list --json | grep -o '"certificateId": *"[0-9a-f]*"' | sort; }
what_is_registered() { certificates && provctl thing list && provctl policy list && provctl template list && provctl ca list; }

# ---- the agent ---------------------------------------------------------------------------------------

make_claim() {
    local templates=/usr/share/mosquitto-provisioning/templates id
    provctl issuer create --name 'Acme Devices' &&
        provctl policy create golden-claim "$templates/policies/golden-claim.json" &&
        provctl policy create fleet-device "$templates/policies/fleet-device.json" &&
        provctl template create fleet-by-serial "$templates/fleet-by-serial.json" &&
        mkdir "$made/claim" && provctl cert create --active --key-type ec-p256 --out "$made/claim" &&
        id=$(certificate_id "$made"/claim/cert-*.crt) && provctl policy attach golden-claim --cert "$id"
}
certificate_id() { openssl x509 -in "$1" -outform der | sha256sum | cut -d' ' -f1; }
configure_agent() {
    local claim=/etc/device-agent/claim
    sed -e 's/^host = .*/host = localhost/' -e 's/^SerialNumber = .*/SerialNumber = 0042/' -e 's#/claim\.#/claim/claim.#' \
        /usr/share/doc/device-agent/examples/claim.conf >/etc/device-agent/device-agent.conf &&
        cp "$trust" /etc/device-agent/broker-ca.pem &&
        install -d -m 0700 -o device-agent -g device-agent "$claim" &&
        install -m 0600 -o device-agent -g device-agent "$made"/claim/cert-*.crt "$claim/claim.pem" &&
        install -m 0600 -o device-agent -g device-agent "$made"/claim/cert-*.key "$claim/claim.key"
}
generation() { device-agent status --json | grep -o '"generation":[^,]*' | head -n 1 | tr -dc 0-9; }
