#!/bin/bash
# A device that asks for credentials, from the command line: keys are installed, credentials are
# made, and what they do not allow is refused. Would catch: a command that goes out unsigned, a
# credential that opens more than it says, a key file that anybody may read.
# shellcheck source=tests/osdctl/lib.sh
. "$(dirname "$0")/lib.sh"

(umask 077 && for _ in 1 2 3 4; do printf '00112233445566778899'; done >key)
(umask 077 && for _ in 1 2 3 4; do printf 'ffeeddccbbaa99887766'; done >otherkey)
echo content >file

echo "== a store for everybody does not become one with keys by the way"
new_store
expect 5 osdctl --create-store --key key key install
says "$T/store was made with a weaker security method"
expect 0 osdctl info

echo "== a store that was not finished becomes none for everybody"
rm -rf "$T/store"
echo short >passphrase && chmod 600 passphrase
OSD_PASSPHRASE_FILE=passphrase expect 2 osdctl --create-store --key key info
expect 3 osdctl info
says "$T/store is not an OSD store"
expect 5 osdctl --create-store --key key info
rm -rf "$T/store"

for method in capkey cmdrsp alldata; do
    echo "== $method: nothing without a credential, everything with the key"
    rm -rf "$T/store" all ro wrong expired
    expect 5 osdctl --create-store --key key --method $method info
    says "keys have to be installed first"
    expect 0 osdctl --create-store --key key --method $method key install
    expect 5 osdctl mk partition 0x10000
    expect 5 osdctl info
    says "asks for a credential"
    expect 0 osdctl --key key --method $method mk partition 0x10000
    expect 0 osdctl --key key --method $method put file 0x10000/0x10000
    expect 0 osdctl --key key --method $method info
    expect 0 osdctl --key key --method $method cat 0x10000/0x10000
    [ "$out" = content ] || die "read back: $out"
    expect 5 osdctl cat 0x10000/0x10000
    expect 5 osdctl --key otherkey --method $method cat 0x10000/0x10000

    echo "== $method: a credential opens what it says"
    expect 0 osdctl --key key --method $method credential mint ro 0x10000/0x10000 read,get-attr
    [ "$(stat -c %a ro)" = 600 ] || die "mode of a credential: $(stat -c %a ro)"
    expect 0 osdctl --credential ro cat 0x10000/0x10000
    [ "$out" = content ] || die "read back: $out"
    expect 5 osdctl --credential ro append file 0x10000/0x10000
    expect 5 osdctl --credential ro rm 0x10000/0x10000
    expect 5 osdctl --credential ro create 0x10000/0x10001
    expect 5 osdctl --credential ro cat 0x10000/0x10001
    expect 0 osdctl --key key --method $method credential mint all 0x10000/0x10001 all 60
    expect 0 osdctl --credential all create 0x10000/0x10001
    expect 0 osdctl --credential all append file 0x10000/0x10001
    expect 5 osdctl --credential all append file 0x10000/0x10000

    echo "== $method: a changed credential opens nothing"
    sed 's/^capability \(..\{97\}\)./capability \1f/' ro >wrong # permissions
    cmp -s ro wrong && die "nothing changed"
    chmod 600 wrong
    expect 5 osdctl --credential wrong cat 0x10000/0x10000
    expect 0 osdctl --key key --method $method credential mint expired 0x10000/0x10000 read 1
    sleep 2.1
    expect 5 osdctl --credential expired cat 0x10000/0x10000

    echo "== $method: installing again changes nothing"
    expect 0 osdctl --key key --method $method key install 0x10000
    expect 0 osdctl --credential ro cat 0x10000/0x10000
done

echo "== HMAC-SHA256 is the capability's choice"
expect 0 osdctl --key key --method $method --hmac sha256 cat 0x10000/0x10000
[ "$out" = content ] || die "read back: $out"
rm ro
expect 0 osdctl --key key --method $method --hmac sha256 credential mint ro 0x10000/0x10000 read
expect 0 osdctl --credential ro cat 0x10000/0x10000
sed 's/^\(capability ...\)2/\11/' ro >wrong # the other algorithm
cmp -s ro wrong && die "nothing changed"
chmod 600 wrong
expect 5 osdctl --credential wrong cat 0x10000/0x10000

echo "== a weaker method than the device asks for"
expect 5 osdctl --key key --method cmdrsp cat 0x10000/0x10000

says "stronger security method"

echo "== files of secrets are their owner's"
chmod 644 key
expect 5 osdctl --key key info
[[ $err == *"chmod 600"* ]] || die "no remedy: $err"
chmod 600 key
expect 4 osdctl --key key credential mint ro 0x10000/0x10000 read
expect 2 osdctl --key key --credential ro info
expect 2 osdctl --credential ro --method capkey info
expect 2 osdctl credential mint x 0x10000 read
expect 2 osdctl --key key credential mint x 0x10000 reed
chmod 600 file
expect 2 osdctl --key file info
expect 2 osdctl --credential file info
expect 3 osdctl --key nofile info
echo "osdctl keys: good"
