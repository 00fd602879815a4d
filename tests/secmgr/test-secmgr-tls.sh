#!/bin/bash
# HTTPS with client certificates: who has one of the right authority is known by its subject; who
# has none, an expired one or one of another authority is not; the client checks the server.
# Would catch: a listener that takes a certificate's word for it, a client that talks to anybody.
# shellcheck source=tests/secmgr/lib.sh
. "$(dirname "$0")/lib.sh"
command -v certtool >/dev/null || { echo "certtool (gnutls-bin) is not installed"; exit 77; }

certificate ca self 'cn = authority' ca cert_signing_key crl_signing_key 'expiration_days = 9'
certificate other-ca self 'cn = authority' ca cert_signing_key crl_signing_key 'expiration_days = 9'
certificate server ca 'cn = localhost' 'dns_name = localhost' tls_www_server signing_key 'expiration_days = 9'
certificate alice ca 'cn = alice' 'organization = example' tls_www_client signing_key 'expiration_days = 9'
certificate admin ca 'cn = admin' tls_www_client signing_key 'expiration_days = 9'
certificate plain ca 'cn = plain' signing_key 'expiration_days = 9'
certificate mallory other-ca 'cn = admin' tls_www_client signing_key 'expiration_days = 9'
certificate old ca 'cn = alice' 'organization = example' tls_www_client signing_key \
    'activation_date = "2020-01-01 00:00:00"' 'expiration_date = "2020-02-01 00:00:00"'

start_target
port=$(free_port)
write_config one 'admin = cert:CN=admin' 'observer = other'
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
[ "$(https --cert server.crt --key server.key $url/v1/status)" = 401 ] || die "a server is a client: $(cat .reply)"
holds '"not for clients" in error["message"]'
[ "$(https --cert plain.crt --key plain.key $url/v1/status)" = 200 ] || die "without a purpose: $(cat .reply err)"
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

echo "== certificates that are revoked, also on a connection that is open"
# revoke AUTHORITY NAME... - the certificates on AUTHORITY.crl
revoke() {
    local ca=$1
    shift
    cat "${@/%/.crt}" >revoked.crt
    printf 'crl_next_update = 9\ncrl_number = 1\n' >crl.tmpl
    certtool --generate-crl --load-ca-privkey "$ca.key" --load-ca-certificate "$ca.crt" \
        --load-certificate revoked.crt --template crl.tmpl --outfile "$ca.crl.new" 2>err ||
        die "certtool: $(cat err)"
    mv "$ca.crl.new" "$ca.crl"
}
certificate bob ca 'cn = bob' tls_www_client signing_key 'expiration_days = 9'
kill "$MANAGER_PID"
wait "$MANAGER_PID"
cp one.conf two.conf
sed -i "s,^client_ca = .*,&\nclient_crl = $T/crl," two.conf
revoke other-ca bob
cp other-ca.crl crl
"$BUILD/secmgr/osd-secmgr" -c two.conf 2>err && die "a list that somebody else signed"
grep -q 'not signed by client_ca' err || die "$(cat err)"
revoke ca bob
cp ca.crl crl
start_manager two
[ "$(https --cert bob.crt --key bob.key $url/v1/status)" = 401 ] || die "bob: $(cat .reply err)"
holds '"revoked" in error["message"]'

# open_connection NAME - asks on one connection until it is refused
open_connection() {
    python3 - "$port" "$1" <<'END' &
import http.client, ssl, sys, time
tls = ssl.create_default_context(cafile="ca.crt")
tls.load_cert_chain(sys.argv[2] + ".crt", sys.argv[2] + ".key")
c = http.client.HTTPSConnection("localhost", int(sys.argv[1]), context=tls)
status, first = 200, None
while status == 200:
    c.request("GET", "/v1/status")
    assert c.sock is (first := first or c.sock), "another connection"
    r = c.getresponse()
    r.read()
    status = r.status
    open("asked", "w").close()
    time.sleep(0.05)
assert status == 401, status
END
    CONNECTION=$!
    for _ in $(seq 200); do
        [ -e asked ] && return
        sleep 0.05
    done
    die "no request"
}
open_connection alice
echo "no list" >crl # a file that holds none does not count
wait_for two.log 'stay in force'
kill -0 "$CONNECTION" || die "alice is refused for a file without lists"
[ "$(https --cert bob.crt --key bob.key $url/v1/status)" = 401 ] || die "bob again: $(cat .reply err)"
revoke ca bob alice
cp ca.crl crl.new
mv crl.new crl
wait "$CONNECTION" || die "alice's connection"
[ "$(https --cert admin.crt --key admin.key $url/v1/status)" = 200 ] || die "admin: $(cat .reply err)"
rm crl
kill -HUP "$MANAGER_PID"
[ "$(https --cert alice.crt --key alice.key $url/v1/status)" = 401 ] || die "without a file: $(cat .reply err)"
exit 0
