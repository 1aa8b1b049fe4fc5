// Sections 8 to 10, and derivations.
package main

import (
	"bytes"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Section 8.
func arrayDigest(data object) []byte {
	kind := typeName(data["dtype"])
	shape, elements := data["shape"].(list), slices.Clone(data["elements"].(list))
	out := joined(sized(kind), u64(len(shape)))
	for _, dimension := range shape {
		out = append(out, u64(integer(dimension))...)
	}
	if mask, ok := data["mask"]; ok {
		out = append(out, sized([]byte("masked"))...)
		for i, hidden := range mask.(list) {
			if hidden == true {
				out, elements[i] = append(out, 1), nil
			} else {
				out = append(out, 0)
			}
		}
		for i, hidden := range mask.(list) {
			if hidden == true && kind[0] == 'O' {
				elements[i] = object{"int": 0}
			} else if hidden == true && kind[0] == 'T' {
				elements[i] = ""
			}
		}
	}
	return digest("array", joined(out, elementsOf(data["dtype"], elements)))
}

func typeName(dtype any) []byte {
	if plain, ok := dtype.(string); ok {
		return []byte(plain)
	}
	if base, ok := dtype.(object)["base"]; ok {
		shape := strings.ReplaceAll(strings.Trim(fmt.Sprint(dtype.(object)["shape"]), "[]"), " ", ",")
		return fmt.Appendf(nil, "(%s)%s", shape, typeName(base))
	}
	parts := [][]byte{}
	for _, field := range dtype.(object)["fields"].(list) {
		parts = append(parts, joined(sized(text(field.(list)[0])), typeName(field.(list)[1])))
	}
	return joined([]byte("{"), bytes.Join(parts, []byte(";")), []byte("}"))
}

func elementsOf(dtype any, elements list) (out []byte) {
	if plain, ok := dtype.(string); ok {
		for _, element := range elements {
			out = append(out, elementOf(plain, element)...)
		}
		return out
	}
	if base, ok := dtype.(object)["base"]; ok {
		flat := list{}
		for _, element := range elements {
			flat = append(flat, element.(list)...)
		}
		return elementsOf(base, flat)
	}
	for number, field := range dtype.(object)["fields"].(list) {
		column := list{}
		for _, element := range elements {
			column = append(column, element.(list)[number])
		}
		out = append(out, elementsOf(field.(list)[1], column)...)
	}
	return out
}

func elementOf(dtype string, element any) []byte {
	var width int
	fmt.Sscanf(dtype[1:], "%d", &width)
	padded := func(data []byte) []byte { return append(data, make([]byte, width-len(data))...) }
	switch kind := dtype[0]; {
	case kind == 'O' || kind == 'T':
		return valueDigest(element)
	case element == nil: // under a mask
		return make([]byte, width)
	case kind == 'f':
		return floating(element.(string))
	case kind == 'c':
		return joined(floating(element.(list)[0].(string)), floating(element.(list)[1].(string)))
	case kind == 'b':
		return bits([]bool{element == true})
	case kind == 'S' || kind == 'V':
		return padded(binaryOf(element))
	case kind == 'U':
		out := []byte{}
		for data := text(element); len(data) > 0; {
			point, size := utf8.DecodeRune(data)
			if point == utf8.RuneError { // a lone surrogate, in three bytes
				point, size = rune(data[0]&15)<<12|rune(data[1]&63)<<6|rune(data[2]&63), 3
			}
			out, data = append(out, u64(int(point))[:4]...), data[size:]
		}
		return padded(out)
	default:
		return whole(number(element), width, kind != 'u')
	}
}

// Section 9.
func valueDigest(value any) []byte { return digest("value", write(value, 0)) }

func tag(name string) []byte { return append([]byte{byte(len(name))}, name...) }

func all(values list, level int) (out []byte) {
	for _, value := range values {
		out = append(out, write(value, level)...)
	}
	return out
}

func sequence(values list, level int) []byte {
	return joined(u64(len(values)), all(values, level))
}

func texts(values ...any) (out []byte) {
	for _, value := range values {
		out = append(out, sized(text(value))...)
	}
	return out
}

func magnitude(notation any) []byte {
	name, value := "int", number(notation)
	if value.Sign() < 0 {
		name = "int-"
	}
	return joined(tag(name), sized(reversed(value.Bytes())))
}

func zone(notation any) string {
	if notation == nil {
		return ""
	}
	if name, ok := notation.(object)["name"]; ok {
		return name.(string)
	}
	seconds, days := integer(notation.(object)["offset"]), ""
	if seconds < 0 {
		seconds, days = seconds+86400, "-1 day, "
	}
	return fmt.Sprintf("%s%d:%02d:%02d", days, seconds/3600, seconds/60%60, seconds%60)
}

func write(value any, level int) []byte {
	switch value := value.(type) {
	case nil:
		return tag("none")
	case bool:
		return tag(fmt.Sprint(value))
	case string:
		return joined(tag("str"), texts(value))
	}
	for name, content := range value.(object) {
		parts, _ := content.(list)
		switch name {
		case "int":
			return magnitude(content)
		case "fraction":
			return joined(tag(name), magnitude(parts[0]), magnitude(parts[1]))
		case "range":
			return joined(tag(name), u64(3), magnitude(parts[0]), magnitude(parts[1]), magnitude(parts[2]))
		}
		return joined(tag(name), after(name, content, parts, level))
	}
	panic("an empty object")
}

// after is what follows the tag.
func after(name string, content any, parts list, level int) []byte {
	switch name {
	case "ellipsis", "notimplemented", "empty":
		return nil
	case "float":
		return floating(content.(string))
	case "complex":
		return joined(floating(parts[0].(string)), floating(parts[1].(string)))
	case "str", "path", "module", "date":
		return texts(content)
	case "bytes", "bytearray", "uuid":
		return sized(binaryOf(content))
	case "decimal":
		sign := map[bool]string{true: "-"}[parts[0] == true]
		return texts(fmt.Sprintf("%s%se%v", sign, parts[1], parts[2]))
	case "datetime", "time":
		return joined(texts(parts[0]), u64(integer(parts[1])), texts(zone(parts[2])))
	case "timedelta":
		return texts(fmt.Sprintf("%vd%vs%vus", parts...))
	case "again":
		return u64(integer(content))
	}
	if level++; level > 100 {
		panic(noForm{"more than 100 levels"})
	}
	switch name {
	case "list", "tuple", "slice", "pattern", "partial", "method", "code",
		"pandas.period", "pandas.interval", "pandas.category":
		return sequence(parts, level)
	case "deque":
		return joined(write(parts[0], level), sequence(parts[1].(list), level))
	case "set", "frozenset":
		members := [][]byte{}
		for _, member := range parts {
			members = append(members, digest("value", write(member, level)))
		}
		slices.SortFunc(members, bytes.Compare)
		out := u64(len(members))
		for _, member := range members {
			out = append(out, sized(member)...)
		}
		return out
	case "dict", "ordereddict", "counter":
		out := u64(len(parts))
		for _, pair := range parts {
			out = append(out, all(pair.(list), level)...)
		}
		return out
	case "defaultdict":
		return joined(after("dict", nil, parts[1].(list), level-1), write(parts[0], level))
	case "namedtuple":
		return joined(texts(parts[:2]...), sequence(parts[2].(list), level))
	case "enum":
		return joined(texts(parts[:2]...), all(parts[2:], level))
	case "dataclass", "attrs":
		out := joined(texts(parts[:2]...), u64(len(parts[2].(list))))
		for _, field := range parts[2].(list) {
			out = joined(out, texts(field.(list)[0]), write(field.(list)[1], level))
		}
		return out
	case "namespace":
		sorted := slices.Clone(parts)
		slices.SortFunc(sorted, func(a, b any) int {
			return bytes.Compare(text(a.(list)[0]), text(b.(list)[0]))
		})
		for i, attribute := range sorted {
			sorted[i] = list{object{"str": attribute.(list)[0]}, attribute.(list)[1]}
		}
		return write(object{"dict": sorted}, level)
	case "array.array":
		return joined(texts(parts[0]), sized(binaryOf(parts[1])))
	case "memoryview":
		shape := list{}
		for _, size := range parts[1].(list) {
			shape = append(shape, object{"int": size})
		}
		return joined(texts(parts[0]), write(object{"tuple": shape}, level), sized(binaryOf(parts[2])))
	case "object":
		return joined(texts(parts[:2]...), write(parts[2], level))
	case "reduced":
		return joined(texts(parts[:3]...), all(parts[3:], level))
	case "scipy.sparse":
		return sized(sparseDigest(content.(object)))
	case "class", "builtin", "descriptor", "table":
		return texts(parts...)
	case "bound":
		return joined(write(parts[0], level), texts(parts[1]))
	case "function":
		return joined(texts(parts[:2]...), all(parts[2:5], level), sequence(parts[5].(list), level))
	case "numpy.array", "numpy.scalar":
		return sized(arrayDigest(content.(object)))
	case "numpy.dtype":
		return sized(typeName(content))
	case "numpy.ufunc", "numpy.function", "pandas", "pyarrow.type", "polars.type":
		return texts(content)
	case "pandas.Timestamp", "pandas.Timedelta":
		return joined(magnitude(parts[0]), texts(zone(parts[1])))
	case "pandas.dtype":
		return joined(texts(parts[:3]...), write(parts[3], level))
	case "pyarrow.schema":
		return sized(valueDigest(object{"bytes": content}))
	case "zone":
		return texts(zone(content))
	}
	panic("what is a " + name + "?")
}

// Section 10.

func fileBytes(data object) []byte {
	if content, ok := data["text"]; ok {
		return text(content)
	}
	if content, ok := data["bytes"]; ok {
		return binaryOf(content)
	}
	out := make([]byte, integer(data["counted"]))
	for i := range out {
		out[i] = byte(i % 251)
	}
	return out
}

func directory(entries list) []byte {
	return digest("directory", entriesOf(entries, func(entry list) []byte {
		return plain(binaryOf(entry[2]))
	}))
}

// entriesOf writes the entries below a directory, each file as what stands for it.
func entriesOf(entries list, ofFile func(entry list) []byte) []byte {
	files := map[string][]byte{}
	for _, each := range entries {
		if entry := each.(list); entry[1] == "f" {
			files[string(text(entry[0]))] = ofFile(entry)
		}
	}
	type written struct{ path, entry []byte }
	found := []written{}
	for _, each := range entries {
		entry := each.(list)
		path, kind, content := text(entry[0]), entry[1].(string), []byte{}
		switch kind {
		case "f":
			content = files[string(path)]
		case "link":
			kind, content = "f", files[string(text(entry[2]))]
		case "l":
			content = text(entry[2])
		}
		found = append(found, written{path, joined([]byte(kind), sized(path), sized(content))})
	}
	slices.SortFunc(found, func(a, b written) int { return bytes.Compare(a.path, b.path) })
	out := []byte{}
	for _, one := range found {
		out = append(out, one.entry...)
	}
	return out
}

var (
	pair   = regexp.MustCompile(`(^|[?&;#,\s])([^=?&;#,\s/]+)\s*=('[^']*'|"[^"]*"|[^&;#\s]*)`)
	secret = regexp.MustCompile(`^(sig|code|key|pass|auth|pwd|expires|awsaccesskeyid|googleaccessid|` +
		`ossaccesskeyid|(x-amz|x-goog|x-oss|x-cos|x-ms)-.*|.*(token|secret|passw|passphrase|signature|` +
		`credential|authorization|(api|access|account|private)[_-]?key).*)$`)
	azure = " sv ss srt sp se st spr sip si sr skoid sktid skt ske sks skv saoid suoid scid "
)

func withoutCredentials(uri string) string {
	scheme, rest, found := strings.Cut(uri, "://")
	if !found {
		scheme, rest = "", uri
	} else {
		scheme += "://"
		authority := rest
		if end := strings.IndexAny(rest, "/?#"); end >= 0 {
			authority = rest[:end]
		}
		host, port, colon := strings.Cut(authority, ":")
		if at := strings.LastIndex(authority, "@"); at >= 0 {
			rest = rest[at+1:]
		} else if colon && !strings.ContainsAny(host, "[]") && strings.Trim(port, "0123456789") != "" {
			rest = rest[strings.LastIndex(rest, "@")+1:]
		}
	}
	label := func(name string) string {
		plain, err := url.PathUnescape(name)
		check(err)
		return strings.ToLower(plain)
	}
	signed := false
	for _, match := range pair.FindAllStringSubmatch(rest, -1) {
		signed = signed || label(match[2]) == "sig"
	}
	rest = pair.ReplaceAllStringFunc(rest, func(all string) string {
		match := pair.FindStringSubmatch(all)
		name := label(match[2])
		if !secret.MatchString(name) && !(signed && strings.Contains(azure, " "+name+" ")) {
			return all
		}
		if match[1] == "?" || match[1] == "#" {
			return match[1]
		}
		return ""
	})
	rest = regexp.MustCompile(`([?#])[&;]+`).ReplaceAllString(rest, "$1")
	rest = regexp.MustCompile(`\?(#|$)`).ReplaceAllString(rest, "$1")
	return scheme + strings.TrimSuffix(rest, "#")
}

// docs/derivation-identity.md

func derivation(data object) []byte {
	out := joined(operation(data, "operation"), u64(len(data["functions"].(list))))
	for _, function := range data["functions"].(list) {
		out = append(out, sized(binaryOf(function))...)
	}
	named := slices.Clone(data["parameters"].(list))
	slices.SortFunc(named, func(a, b any) int {
		return bytes.Compare(text(a.(list)[0]), text(b.(list)[0]))
	})
	out = append(out, u64(len(named))...)
	for _, one := range named {
		out = joined(out, texts(one.(list)[0]), sized(binaryOf(one.(list)[1])))
	}
	out = append(out, u64(len(data["inputs"].(list)))...)
	for _, input := range data["inputs"].(list) {
		out = joined(out, texts(input.(list)[0]), origin(input.(list)[1].(object)))
	}
	return digest("derivation", joined(out, u64(integer(data["output"]))))
}

func step(data object) []byte {
	out := joined(operation(data, "step"), u64(len(data["inputs"].(list))))
	for _, input := range data["inputs"].(list) {
		out = append(out, origin(input.(object))...)
	}
	return digest("step", joined(out, sized(binaryOf(data["parameters"]))))
}

func operation(data object, name string) []byte {
	out := texts(data["library"], data[name])
	if data["version"] == nil {
		return joined(out, u64(0))
	}
	return joined(out, u64(1), texts(data["version"]))
}

func origin(data object) []byte {
	sources := data["sources"].(list)
	return joined(u64(len(sources)), texts(sources...), sized(binaryOf(data["path"])))
}
