//! The libraries: each with the cases that differ between implementations.

use super::check;

#[test]
fn json() {
    check(&[
        ("return cjson.encode({1,2,3})", "$7 [1,2,3]"),
        ("return cjson.encode({b=1,a={x=true}})", "$22 {\"a\":{\"x\":true},\"b\":1}"),
        ("return cjson.encode({})", "$2 {}"),
        ("return cjson.encode({1,nil,3})", "$10 [1,null,3]"),
        ("return cjson.encode('a/\"\\n\\1')", "$15 \"a\\/\\\"\\n\\u0001\""),
        ("return cjson.encode(cjson.null)", "$4 null"),
        ("return cjson.encode(1.5e20)", "$7 1.5e+20"),
        ("return cjson.decode('{\"a\":[1,{\"b\":\"c\"}]}').a[2].b", "$1 c"),
        ("return cjson.decode('\"\\\\u00e9\\\\ud83d\\\\ude00\"')", "$6 \u{e9}\u{1f600}"),
        ("return cjson.decode('null') == cjson.null", ":1"),
        ("return cjson.decode('[0.5]')[1] * 4", ":2"),
        ("return #cjson.decode('[]')", ":0"),
    ]);
    let told = super::run("return select(2, pcall(cjson.decode, '{\"a\":}'))");
    assert!(told.ends_with("Expected value but found T_OBJ_END at character 6"), "{told}");
    let told = super::run("return select(2, pcall(cjson.encode, {[1]=1,[100]=1}))");
    assert!(told.ends_with("Cannot serialise table: excessively sparse array"), "{told}");
    let told = super::run("local t = {} t.t = t return select(2, pcall(cjson.encode, t))");
    assert!(told.ends_with("Cannot serialise, excessive nesting (1001)"), "{told}");
    check(&[
        ("cjson.encode_sparse_array(true) return cjson.encode({[1]=1,[100]=1})", "$15 {\"1\":1,\"100\":1}"),
        ("return select(1, cjson.encode_sparse_array())", "_"),
    ]);
}

#[test]
fn messagepack() {
    check(&[
        (
            "local s = cmsgpack.pack({1, 'a', true, false, 2.5, -1, 300, 70000, {k='v'}}) \
             local t = cmsgpack.unpack(s) return cjson.encode(t)",
            "$45 [1,\"a\",true,false,2.5,-1,300,70000,{\"k\":\"v\"}]",
        ),
        ("return cmsgpack.pack(1, 2)", "$2 \u{1}\u{2}"),
        ("local a, b = cmsgpack.unpack(cmsgpack.pack(1, 'x')) return {a, b}", "*2 :1 $1 x"),
        ("return {cmsgpack.unpack_one(cmsgpack.pack(7, 8))}", "*2 :1 :7"),
        ("return {cmsgpack.unpack_one(cmsgpack.pack(7, 8), 1)}", "*2 :-1 :8"),
        ("return {cmsgpack.unpack_limit(cmsgpack.pack(7, 8, 9), 2)}", "*3 :2 :7 :8"),
        ("return cmsgpack.unpack(cmsgpack.pack(2^40)) == 2^40", ":1"),
        ("return cmsgpack.unpack(cmsgpack.pack(-2^40)) == -2^40", ":1"),
        ("return cmsgpack.unpack(cmsgpack.pack(0.1)) == 0.1", ":1"),
        ("local t = {} t[1] = t return #cmsgpack.pack(t)", ":17"),
    ]);
    let told = super::run("return select(2, pcall(cmsgpack.unpack, '\\146\\1'))");
    assert!(told.ends_with("Missing bytes in input."), "{told}");
    let told = super::run("return select(2, pcall(cmsgpack.unpack, '\\193'))");
    assert!(told.ends_with("Bad data format in input."), "{told}");
}

#[test]
fn structs_and_bits() {
    check(&[
        ("return {struct.unpack('>I2i4', struct.pack('>I2i4', 513, -2))}", "*3 :513 :-2 :7"),
        ("return {struct.unpack('<hLf', struct.pack('<hLf', -5, 7, 0.5))}", "*4 :-5 :7 :0 :15"),
        ("return {struct.unpack('sc3', struct.pack('sc3', 'ab', 'xyz'))}", "*3 $2 ab $3 xyz :7"),
        ("return {struct.unpack('bc0', struct.pack('bc0', 2, 'hi'))}", "*2 $2 hi :4"),
        ("return struct.size('!8bd')", ":16"),
        (
            "return {bit.tobit(0xffffffff), bit.bnot(0), bit.band(12, 10), bit.bor(12, 10), bit.bxor(12, 10)}",
            "*5 :-1 :-1 :8 :14 :6",
        ),
        (
            "return {bit.lshift(1, 4), bit.rshift(-1, 28), bit.arshift(-16, 2), bit.rol(0x12345678, 8)}",
            "*4 :16 :15 :-4 :878082066",
        ),
        ("return {bit.tohex(255), bit.tohex(255, 2), bit.tohex(-1, -4)}", "*3 $8 000000ff $2 ff $4 FFFF"),
        ("return bit.bswap(0x78563412)", ":305419896"),
    ]);
    let told = super::run("return select(2, pcall(struct.unpack, 'i4', 'ab'))");
    assert!(told.ends_with("(data string too short)"), "{told}");
    let told = super::run("return select(2, pcall(struct.pack, 'Q', 1))");
    assert!(told.ends_with("(invalid format option 'Q')"), "{told}");
}

#[test]
fn strings_and_tables() {
    check(&[
        ("return {string.find('hello', 'l+')}", "*2 :3 :4"),
        ("return {string.find('a.b', '.', 1, true)}", "*2 :2 :2"),
        ("return {('key=val'):match('(%w+)=(%w+)')}", "*2 $3 key $3 val"),
        ("return {('abc'):find('b', -1)}", "*0"),
        ("return {('abc'):find('()b()')}", "*4 :2 :2 :2 :3"),
        ("local o = {} for w in ('a bc d'):gmatch('%a+') do o[#o+1] = w end return o", "*3 $1 a $2 bc $1 d"),
        ("local n = 0 for _ in ('abc'):gmatch('') do n = n + 1 end return n", ":4"),
        ("return {('hello'):gsub('l', 'L')}", "*2 $5 heLLo :2"),
        ("return {('hello'):gsub('l', 'L', 1)}", "*2 $5 heLlo :1"),
        ("return {('abc'):gsub('%w', '%0%0')}", "*2 $6 aabbcc :3"),
        ("return {('abc'):gsub('%w', {a='1', b=true and 'x'})}", "*2 $3 1xc :3"),
        ("return {('abc'):gsub('', '-')}", "*2 $7 -a-b-c- :4"),
        ("return {('abc'):gsub('', function() return '-' end)}", "*2 $7 -a-b-c- :4"),
        ("return {('aab'):gsub('^a', function(c) return c:upper() end)}", "*2 $3 Aab :1"),
        ("return {('a,b'):gsub(',', '%%')}", "*2 $3 a%b :1"),
        ("return ('x'):rep(3)", "$3 xxx"),
        ("return table.concat({1, 'b', 3}, '-', 2)", "$3 b-3"),
        ("local t = {1,2,3} table.insert(t, 2, 9) table.remove(t, 1) return t", "*3 :9 :2 :3"),
        ("local t = {3,1,2} table.sort(t, function(a, b) return a > b end) return t", "*3 :3 :2 :1"),
        ("math.randomseed(10) local a = math.random() math.randomseed(10) return a == math.random()", ":1"),
        ("return math.floor(math.pow(2, 10) + math.sin(0))", ":1024"),
    ]);
}
