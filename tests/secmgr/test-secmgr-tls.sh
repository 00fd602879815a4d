#!/bin/bash
# HTTPS with client certificates: who has one of the right authority is known by its subject; who
# has none, an expired one or one of another authority is not; the client checks the server.
# Would catch: a listener that takes a certificate's word for it, a client that talks to anybody.
# shellcheck source=tests/secmgr/lib.sh
. "$(dirname "$0")/lib.sh"
command -v certtool >/dev/null || { echo "certtool (gnutls-bin) is not installed"; exit 77; }

certificate ca self 'cn = authority' ca cert_signing_key 'expiration_days = 9'
certificate other-ca self 'cn = authority' ca cert_signing_key 'expiration_days = 9'
certificate server ca 'cn = localhost' 'dns_name = localhost' tls_www_server signing_key 'expiration_days = 9'
certificate alice ca 'cn = alice' 'organization = example' tls_www_client signing_key 'expiration_days = 9'
certificate admin ca 'cn = admin' tls_www_client signing_key 'expiration_days = 9'
certificate mallory other-ca 'cn = admin' tls_www_client signing_key 'expiration_days = 9'
certificate old ca 'cn = alice' 'organization = example' tls_www_client signing_key \
    'activation_date = "2020-01-01 00:00:00"' 'expiration_date = "2020-02-01 00:00:00"'

start_target
port=$(free_port)
write_config one 'admin = cert:CN=admin'
sed -i "s,^unix = .*,&\nhttps = 127.0.0.1:$port\ncertificate = $T/server.crt\nprivate_key = $T/server.key\nclient_ca = $T/ca.crt," one.conf
start_manager one

https() {
    curl -sS --cacert ca.crt --connect-timeout 5 -o .reply -w '%{http_code}' "$@" 2>err
}

echo "== who is known"
url=https://localhost:$port
[ "$(https --cert alice.crt --key alice.key $url/v1/status)" = 200 ] || die "alice: $(cat .reply err)"
holds 'data["caller"] == "cert:CN=alice,O=example"'
[ "$(https $url/v1/status)" = 401 ] || die "without certificate: $(cat .reply err)"
holds '"certificate" in error["message"]'
[ "$(https $url/v1/openapi.json)" = 200 ] || die "the description is for everybody"

# refused COMMAND... - either the handshake fails or the caller is not known
refused() {
    local code
    code=$(https "$@") || return 0
    [ "$code" = 401 ] || die "$* is answered with $code: $(cat .reply)"
}
refused --cert mallory.crt --key mallory.key $url/v1/osds
refused --cert old.crt --key old.key $url/v1/status
[ "$(https --cert alice.crt --key alice.key $url/v1/osds)" = 403 ] || die "alice is no administrator"
holds '"cert:CN=alice,O=example" in error["message"]'
[ "$(https --cert admin.crt --key admin.key $url/v1/osds)" = 200 ] || die "admin: $(cat .reply)"
https --tls-max 1.1 --cert alice.crt --key alice.key $url/v1/status >/dev/null &&
    die "TLS 1.1 is spoken"

echo "== osdctl over https, as administrator and as user"
admin() {
    osdctl --secmgr "$url" --secmgr-ca ca.crt --secmgr-cert admin.crt --secmgr-key admin.key "$@"
}
echo "$MASTER" >master.key
admin key enrol disk1 "$DEVICE" master.key || die "enrol"
admin acl set disk1 root cert:CN=admin all all || die "acl"
admin -d "$DEVICE" mk partition 0x10000 || die "mk"
admin -d "$DEVICE" create 0x10000/0x10000 || die "create"
admin acl set disk1 0x10000/0x10000 "cert:CN=alice,O=example" read || die "acl"
export OSD_SECMGR=$url OSD_SECMGR_CA=ca.crt OSD_SECMGR_CERT=alice.crt OSD_SECMGR_KEY=alice.key
osdctl -d "$DEVICE" cat 0x10000/0x10000 || die "alice may read"
osdctl -d "$DEVICE" append /etc/services 0x10000/0x10000 2>err && die "alice may not append"
grep -q 'cert:CN=alice,O=example has no permission append' err || die "$(cat err)"

echo "== the client talks to no other server"
osdctl --secmgr-ca other-ca.crt -d "$DEVICE" cat 0x10000/0x10000 2>err && die "another authority"
[ $? -eq 6 ] || true
grep -qi certificate err || die "$(cat err)"
osdctl --secmgr "https://127.0.0.1:$port" -d "$DEVICE" cat 0x10000/0x10000 2>err && die "another name"
exit 0
