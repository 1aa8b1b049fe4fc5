// Sections 12 and 17: sparse matrices, and versions of a place.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Section 12.

type element struct {
	place []int
	value any
}

func sparseDigest(data object) []byte {
	kind, shape := data["dtype"].(string), data["shape"].(list)
	found := summed(kind, stored(data))
	out := joined(texts("sparse"), sized(typeName(kind)), u64(len(shape)))
	for _, size := range shape {
		out = append(out, u64(integer(size))...)
	}
	out = append(out, u64(len(found))...)
	for block := range slices.Chunk(found, 65536) {
		for dimension := range shape {
			for _, one := range block {
				out = append(out, u64(one.place[dimension])...)
			}
		}
		for _, one := range block {
			out = append(out, elementOf(kind, one.value)...)
		}
	}
	return digest("array", out)
}

func stored(data object) (found []element) {
	if same, ok := data["elements"].(object); ok {
		shape := data["shape"].(list)
		least := integer(shape[0])
		for _, size := range shape {
			least = min(least, integer(size))
		}
		for i := range least {
			found = append(found, element{slices.Repeat([]int{i}, len(shape)), same["diagonal"]})
		}
		return found
	}
	for _, each := range data["elements"].(list) {
		one := element{value: each.(list)[1]}
		for _, place := range each.(list)[0].(list) {
			one.place = append(one.place, integer(place))
		}
		found = append(found, one)
	}
	return found
}

// summed has one element for each place, in the order of places, and none that is zero.
func summed(kind string, elements []element) (found []element) {
	slices.SortStableFunc(elements, func(a, b element) int { return slices.Compare(a.place, b.place) })
	for start := 0; start < len(elements); {
		values, first := list{}, elements[start]
		for start < len(elements) && slices.Equal(elements[start].place, first.place) {
			values = append(values, elements[start].value)
			start++
		}
		if value := total(kind, values); !isZero(value) {
			found = append(found, element{first.place, value})
		}
	}
	return found
}

func total(kind string, values list) any {
	if len(values) == 1 {
		return values[0]
	}
	width, _ := strconv.Atoi(kind[1:])
	switch kind[0] {
	case 'b':
		return slices.Contains(values, any(true))
	case 'f':
		return sumOf(values, width, 8)
	case 'c':
		parts := list{list{}, list{}}
		for _, value := range values {
			for i, part := range value.(list) {
				parts[i] = append(parts[i].(list), part)
			}
		}
		return list{sumOf(parts[0].(list), width/2, 4), sumOf(parts[1].(list), width/2, 4)}
	}
	sum, limit := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(8*width))
	for _, value := range values {
		sum.Add(sum, number(value))
	}
	sum.Mod(sum, limit)
	if kind[0] == 'i' && sum.Bit(8*width-1) == 1 {
		sum.Sub(sum, limit)
	}
	return sum
}

// sumOf adds the first of the numbers, in bits, to the sum of all others.
func sumOf(values list, width, lanes int) string {
	numbers := make([]float64, len(values))
	for i, value := range values {
		bits, err := strconv.ParseUint(value.(string), 16, 64)
		check(err)
		numbers[i] = math.Float64frombits(bits)
		if width == 4 {
			numbers[i] = float64(math.Float32frombits(uint32(bits)))
		}
	}
	add := func(a, b float64) float64 {
		if width == 4 {
			return float64(float32(a) + float32(b))
		}
		return a + b
	}
	sum := add(numbers[0], pairwise(numbers[1:], lanes, add))
	if width == 4 {
		return hex.EncodeToString(binary.BigEndian.AppendUint32(nil, math.Float32bits(float32(sum))))
	}
	return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, math.Float64bits(sum)))
}

func pairwise(numbers []float64, lanes int, add func(a, b float64) float64) float64 {
	count := len(numbers)
	if count > 16*lanes {
		half := count / 2 / lanes * lanes
		return add(pairwise(numbers[:half], lanes, add), pairwise(numbers[half:], lanes, add))
	}
	sum, rest := numbers[0], numbers[1:]
	if count >= lanes {
		sums := slices.Clone(numbers[:lanes])
		full := count - count%lanes
		for i := lanes; i < full; i++ {
			sums[i%lanes] = add(sums[i%lanes], numbers[i])
		}
		for ; len(sums) > 1; sums = sums[:len(sums)/2] {
			for i := range len(sums) / 2 {
				sums[i] = add(sums[2*i], sums[2*i+1])
			}
		}
		sum, rest = sums[0], numbers[full:]
	}
	for _, one := range rest {
		sum = add(sum, one)
	}
	return sum
}

func isZero(value any) bool {
	switch value := value.(type) {
	case bool:
		return !value
	case string:
		return strings.Trim(value[1:], "0") == "" && (value[0] == '0' || value[0] == '8')
	case list:
		return isZero(value[0]) && isZero(value[1])
	}
	return number(value).Sign() == 0
}

// Section 17.

func version(data object) []byte {
	kind, evidence := data["kind"].(string), data["evidence"].(object)
	found := []byte{}
	if facts, ok := evidence["facts"]; ok {
		sorted := slices.Clone(facts.(list))
		slices.SortFunc(sorted, func(a, b any) int {
			return bytes.Compare(text(a.(list)[0]), text(b.(list)[0]))
		})
		for _, fact := range sorted {
			found = append(found, texts(fact.(list)...)...)
		}
	} else if file, ok := evidence["file"]; ok {
		found = evidenceOf(kind, fileBytes(file.(object)), evidence["modified"])
	} else {
		found = entriesOf(evidence["directory"].(list), func(entry list) []byte {
			return evidenceOf(kind, binaryOf(entry[2]), entry[3])
		})
	}
	return digest("version", joined(texts(data["uri"], kind), sized(found)))
}

func evidenceOf(kind string, content []byte, modified any) []byte {
	status := joined(u64(len(content)), whole(number(modified), 8, true))
	if kind == "footer" {
		if footer := footerOf(content); footer != nil {
			return joined(status, plain(footer))
		}
	}
	return status
}

func footerOf(content []byte) []byte {
	size := len(content)
	if size < 20 {
		return nil
	}
	for _, magic := range []string{"PAR1", "PARE", "ARROW1"} {
		if bytes.HasPrefix(content, []byte(magic)) && bytes.HasSuffix(content, []byte(magic)) {
			end := size - len(magic)
			length := int(binary.LittleEndian.Uint32(content[end-4:end])) + 4 + len(magic)
			if length <= size {
				return content[size-length:]
			}
		}
	}
	return nil
}
