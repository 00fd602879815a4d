#!/bin/bash
# Kerberos over HTTPS, with a KDC of the test's own: who has a ticket is known by its principal, who
# has none is not. Would catch: a listener that takes any token, a client that sends none.
# shellcheck source=tests/secmgr/lib.sh
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin:/sbin
for program in krb5kdc kdb5_util kadmin.local kinit certtool; do
    command -v $program >/dev/null || { echo "$program is not installed"; exit 77; }
done

kdc=$(free_port)
port=$(free_port)
cat >krb5.conf <<END
[libdefaults]
    default_realm = LIOSD.TEST
    dns_lookup_kdc = false
    dns_canonicalize_hostname = false
    rdns = false
[realms]
    LIOSD.TEST = {
        kdc = 127.0.0.1:$kdc
    }
END
cat >kdc.conf <<END
[kdcdefaults]
    kdc_listen = 127.0.0.1:$kdc
    kdc_tcp_listen = 127.0.0.1:$kdc
[realms]
    LIOSD.TEST = {
        database_name = $T/principal
        key_stash_file = $T/stash
        acl_file = $T/acl
    }
END
export KRB5_CONFIG=$T/krb5.conf KRB5_KDC_PROFILE=$T/kdc.conf KRB5CCNAME=FILE:$T/tickets
kdb5_util create -s -P secret -r LIOSD.TEST >kdb.log 2>&1 || die "kdb5_util: $(cat kdb.log)"
for p in alice bob; do
    kadmin.local -q "addprinc -pw $p-secret $p" >>kdb.log 2>&1 || die "kadmin.local"
done
kadmin.local -q "addprinc -randkey HTTP/localhost" >>kdb.log 2>&1
kadmin.local -q "ktadd -k $T/keytab HTTP/localhost" >>kdb.log 2>&1
[ -s keytab ] || die "no keytab: $(cat kdb.log)"
setpriv --pdeathsig TERM "$(command -v krb5kdc)" -n -P "$T/kdc.pid" >kdc.log 2>&1 &
PIDS+=($!)

printf '%s\n' 'cn = localhost' 'dns_name = localhost' ca cert_signing_key signing_key 'expiration_days = 9' >tmpl
certtool --generate-privkey --key-type ecdsa --curve secp256r1 --outfile server.key 2>/dev/null
certtool --generate-self-signed --load-privkey server.key --template tmpl --outfile server.crt 2>/dev/null ||
    die "certtool"
start_target
write_config one 'observer = other'
sed -i "s,^unix = .*,&\nhttps = 127.0.0.1:$port\ncertificate = $T/server.crt\nprivate_key = $T/server.key\nkeytab = $T/keytab," one.conf
start_manager one
enrol disk1
me=uid:$(id -u)
rule disk1 '"type":"root","principal":"'"$me"'","permissions":"all","inherit":"all"'
osdctl --secmgr "$SECMGR" -d "$DEVICE" mk partition 0x10000 >/dev/null || die "mk"
osdctl --secmgr "$SECMGR" -d "$DEVICE" create 0x10000/0x10000 >/dev/null || die "create"
osdctl --secmgr "$SECMGR" acl set disk1 0x10000/0x10000 krb:alice@LIOSD.TEST read || die "acl"

export OSD_SECMGR=https://localhost:$port OSD_SECMGR_CA=server.crt OSD_DEVICE=$DEVICE
echo "== without a ticket"
osdctl cat 0x10000/0x10000 2>err && die "nobody may read"
grep -q 'not known' err || die "$(cat err)"
curl -sS --cacert server.crt -D headers -o /dev/null "$OSD_SECMGR/v1/status"
grep -qi '^www-authenticate: Negotiate' headers || die "Negotiate is not offered: $(cat headers)"
for token in 'Negotiate' 'Negotiate AAAA' 'Negotiate =' 'Basic YTpi' "Negotiate $(head -c 600 /dev/urandom | base64 -w 0)"; do
    code=$(curl -sS --cacert server.crt -H "Authorization: $token" -o /dev/null -w '%{http_code}' "$OSD_SECMGR/v1/status")
    [ "$code" = 401 ] || die "\"$token\" is answered with $code"
done

echo "== with one"
for _ in $(seq 50); do
    kinit alice <<<'alice-secret' >kinit.log 2>&1 && break
    sleep 0.1
done
osdctl secmgr status >status || die "$(cat kinit.log kdc.log)"
grep -q '^caller *krb:alice@LIOSD.TEST' status || die "$(cat status)"
osdctl cat 0x10000/0x10000 || die "alice may read"
osdctl append /etc/services 0x10000/0x10000 2>err && die "alice may not append"
grep -q 'krb:alice@LIOSD.TEST has no permission append' err || die "$(cat err)"
kinit bob <<<'bob-secret' >/dev/null || die "kinit"
osdctl cat 0x10000/0x10000 2>err && die "bob may not read"
grep -q 'krb:bob@LIOSD.TEST has no permission read' err || die "$(cat err)"
exit 0
