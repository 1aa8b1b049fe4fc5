// Sections 3 to 6: types, canonical arrays, blocks, columns, tables.
package main

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

type column struct {
	name, digest      []byte
	blocks, canonical [][]byte
}

type table struct {
	id      string
	columns []column
	size    int
}

func tableOf(data object) table {
	var made table
	rows := integer(data["rows"])
	root := joined(u64(rows), u64(len(data["columns"].(list))))
	for _, each := range data["columns"].(list) {
		one := each.(object)
		kinds := one["types"].(list)
		for _, other := range kinds[1:] {
			if string(name(other)) != string(name(kinds[0])) {
				panic(noForm{"types of one column have two names"})
			}
		}
		var col column
		col.name = name(kinds[0])
		cells := cellsOf(one, rows)
		parts := []byte{}
		for start := 0; start < rows; start += 65536 {
			array, size := array(kinds[0], cells[start:min(start+65536, rows)])
			made.size += size
			col.canonical = append(col.canonical, array)
			col.blocks = append(col.blocks, digest("block", array))
			parts = append(parts, col.blocks[len(col.blocks)-1]...)
		}
		col.digest = digest("column", joined(sized(col.name), u64(rows), parts))
		root = joined(root, sized(text(one["name"])), col.digest)
		made.columns = append(made.columns, col)
	}
	made.id = "table:" + hex.EncodeToString(digest("table", root))
	return made
}

// cellsOf writes out what a formula says.
func cellsOf(data object, rows int) list {
	if values, ok := data["values"]; ok {
		return values.(list)
	}
	formula := data["formula"].(object)
	factor, modulo := integer(formula["factor"]), integer(formula["modulo"])
	nulls := integer(formula["nulls"])
	cells := make(list, rows)
	for row := range cells {
		if nulls > 0 && row%nulls == 0 {
			continue
		}
		v := row * factor % modulo
		switch formula["kind"] {
		case "integer":
			cells[row] = v
		case "real":
			cells[row] = fmt.Sprintf("%016x", math.Float64bits(float64(v)/8))
		case "text":
			cells[row] = strconv.Itoa(v)
		case "flag":
			cells[row] = v%2 == 1
		case "spike":
			cells[row] = strings.Repeat("x", map[bool]int{true: 256}[v == 70000])
		case "list":
			some := list{}
			for i := range v % 4 {
				some = append(some, v+i)
			}
			cells[row] = some
		}
	}
	return cells
}

func parameters(t any) (string, object) {
	if plain, ok := t.(string); ok {
		return plain, nil
	}
	return t.(object)["type"].(string), t.(object)
}

// layout is what a type is apart from the forms of its storage.
func layout(t any) string {
	kind, _ := parameters(t)
	for _, family := range []string{"string", "binary", "list"} {
		if kind == family || kind == "large_"+family || strings.HasSuffix(kind, family+"_view") {
			return family
		}
	}
	return kind
}

var aliases = " Etc/UTC UCT Etc/UCT Zulu Etc/Zulu Universal Etc/Universal Z +00:00 -00:00 "
var zoneName = regexp.MustCompile(`^[A-Za-z0-9_+:/-]+$`)

// Section 3.
func name(t any) []byte {
	kind, p := parameters(t)
	unit, _ := p["unit"].(string)
	if unit == "s" && kind != "duration" {
		unit = "ms"
	}
	switch layout(t) {
	case "dictionary", "run_end_encoded":
		return name(p["values"])
	case "string", "binary":
		return []byte(layout(t))
	case "date32", "date64":
		return []byte("date")
	case "fixed_size_binary":
		return fmt.Appendf(nil, "binary[%v]", p["size"])
	case "decimal32", "decimal64", "decimal128", "decimal256":
		return fmt.Appendf(nil, "decimal[%v,%v]", p["precision"], p["scale"])
	case "time32", "time64":
		return fmt.Appendf(nil, "time[%s]", unit)
	case "duration":
		return fmt.Appendf(nil, "duration[%s]", unit)
	case "timestamp":
		zone, _ := p["zone"].(string)
		if zone == "" {
			return fmt.Appendf(nil, "timestamp[%s]", unit)
		}
		if !zoneName.MatchString(zone) {
			panic(noForm{"zone"})
		}
		if strings.Contains(aliases, " "+zone+" ") {
			zone = "UTC"
		}
		return fmt.Appendf(nil, "timestamp[%s,%s]", unit, zone)
	case "interval_month_day_nano":
		return []byte("interval[month,day,nano]")
	case "list":
		return fmt.Appendf(nil, "list{%s}", name(p["child"]))
	case "fixed_size_list":
		return fmt.Appendf(nil, "list[%v]{%s}", p["size"], name(p["child"]))
	case "map":
		return fmt.Appendf(nil, "map{%s,%s}", name(p["key"]), name(p["item"]))
	case "struct":
		parts := []string{}
		for _, field := range p["fields"].(list) {
			label := text(field.(list)[0])
			parts = append(parts, fmt.Sprintf("%d:%s=%s", len(label), label, name(field.(list)[1])))
		}
		return []byte("struct{" + strings.Join(parts, ";") + "}")
	case "extension":
		label, more := text(p["name"]), binaryOf(p["parameters"])
		return fmt.Appendf(nil, "extension{%d:%s,%d:%s,%s}",
			len(label), label, len(more), more, name(p["storage"]))
	}
	return []byte(kind)
}

// Section 4. The size is that without counts.
func array(t any, cells list) (data []byte, size int) {
	kind, _ := parameters(t)
	nulls := 0
	for i, cell := range cells {
		if parts, ok := cell.(list); ok && strings.HasPrefix(kind, "complex") {
			if isNaN(parts[0].(string)) || isNaN(parts[1].(string)) {
				cells[i] = nil
			}
		}
		if cells[i] == nil {
			nulls++
		}
	}
	if nulls < len(cells) {
		data, size = values(t, cells)
		if nulls > 0 {
			valid := make([]bool, len(cells))
			for i, cell := range cells {
				valid[i] = cell != nil
			}
			data, size = joined(data, bits(valid)), size+(len(cells)+7)/8
		}
	}
	return joined(data, u64(len(cells)), u64(nulls)), size
}

func values(t any, cells list) ([]byte, int) {
	_, p := parameters(t)
	var data []byte
	size := 0
	inner := func(child any, elements list) {
		array, more := array(child, elements)
		data = append(data, array...)
		size += more
	}
	write := func(part []byte) {
		data = append(data, part...)
		size += len(part)
	}
	switch layout(t) {
	case "dictionary", "run_end_encoded":
		return values(p["values"], cells)
	case "extension":
		return values(p["storage"], cells)
	case "bool":
		flags := make([]bool, len(cells))
		for i, cell := range cells {
			flags[i] = cell == true
		}
		write(bits(flags))
	case "string", "binary":
		counts := make([]int, len(cells))
		for i, cell := range cells {
			part := []byte{}
			if cell != nil && layout(t) == "string" {
				part = text(cell)
			} else if cell != nil {
				part = binaryOf(cell)
			}
			counts[i] = len(part)
			write(part)
		}
		write(lengths(counts))
	case "list", "map", "fixed_size_list":
		counts := make([]int, len(cells))
		keys, elements := list{}, list{}
		for i, cell := range cells {
			part, _ := cell.(list)
			counts[i] = len(part)
			for _, element := range part {
				if layout(t) == "map" {
					keys = append(keys, element.(list)[0])
					element = element.(list)[1]
				}
				elements = append(elements, element)
			}
		}
		if layout(t) == "map" {
			inner(p["key"], keys)
			inner(p["item"], elements)
		} else {
			inner(p["child"], elements)
		}
		if layout(t) != "fixed_size_list" {
			write(lengths(counts))
		}
	case "struct":
		for number, field := range p["fields"].(list) {
			elements := make(list, len(cells))
			for i, cell := range cells {
				if cell != nil {
					elements[i] = cell.(list)[number]
				}
			}
			inner(field.(list)[1], elements)
		}
	default:
		width := widthOf(t)
		for _, cell := range cells {
			if cell == nil {
				write(make([]byte, width))
			} else {
				write(fixed(t, cell, width))
			}
		}
	}
	return data, size
}

func widthOf(t any) int {
	kind, p := parameters(t)
	switch kind {
	case "int8", "uint8":
		return 1
	case "int16", "uint16", "float16":
		return 2
	case "int32", "uint32", "float32", "date32", "date64", "time32":
		return 4
	case "complex128", "interval_month_day_nano":
		return 16
	case "python":
		return 32
	case "fixed_size_binary":
		return integer(p["size"])
	case "decimal32", "decimal64", "decimal128", "decimal256":
		if integer(p["precision"]) <= 38 {
			return 16
		}
		return 32
	}
	return 8
}

// Sections 4.1 and 4.2.
func fixed(t, cell any, width int) []byte {
	kind, p := parameters(t)
	switch kind {
	case "float16", "float32", "float64":
		return floating(cell.(string))
	case "complex64", "complex128":
		return joined(floating(cell.(list)[0].(string)), floating(cell.(list)[1].(string)))
	case "fixed_size_binary":
		return binaryOf(cell)
	case "python":
		return valueDigest(cell)
	case "interval_month_day_nano":
		parts := cell.(list)
		return joined(whole(number(parts[0]), 4, true), whole(number(parts[1]), 4, true),
			whole(number(parts[2]), 8, true))
	}
	value := number(cell)
	if kind == "date64" {
		rest := new(big.Int)
		value.DivMod(value, big.NewInt(86_400_000), rest)
		if rest.Sign() != 0 {
			panic(noForm{"no whole day"})
		}
	} else if p["unit"] == "s" && kind != "duration" {
		value.Mul(value, big.NewInt(1000))
	}
	return whole(value, width, !strings.HasPrefix(kind, "uint"))
}

func bits(flags []bool) []byte {
	out := make([]byte, (len(flags)+7)/8)
	for i, flag := range flags {
		if flag {
			out[i/8] |= 1 << (i % 8)
		}
	}
	return out
}

// Section 4.3.
func lengths(counts []int) []byte {
	longest, width := 0, 1
	for _, count := range counts {
		longest = max(longest, count)
	}
	for width < 8 && longest >= 1<<(8*width) {
		width *= 2
	}
	out := make([]byte, 0, len(counts)*width+1)
	for _, count := range counts {
		out = append(out, u64(count)[:width]...)
	}
	return append(out, byte(width))
}
