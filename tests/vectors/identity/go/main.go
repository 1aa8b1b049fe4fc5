// An implementation of docs/artifact-identity.md and docs/derivation-identity.md that was written
// from these texts and the vectors, and shares no code with otelprov. It reads the vectors of a
// folder, prints each one that it finds to be wrong, and how many are right.
//
//	go run . ..
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"

	"github.com/zeebo/blake3"
)

type object = map[string]any
type list = []any

// noForm is raised, as a panic, by data without a canonical form.
type noForm struct{ reason string }

func main() {
	files, err := filepath.Glob(filepath.Join(os.Args[1], "*.json"))
	check(err)
	right, wrong := 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(err)
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		var content object
		check(decoder.Decode(&content))
		for _, vector := range content["vectors"].(list) {
			if problem := examine(vector.(object)); problem != "" {
				fmt.Printf("%s: %v: %s\n", filepath.Base(file), vector.(object)["name"], problem)
				wrong++
			} else {
				right++
			}
		}
	}
	fmt.Printf("%d right, %d wrong\n", right, wrong)
	if wrong > 0 || right == 0 {
		os.Exit(1)
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// examine says what is wrong with a vector, or nothing.
func examine(vector object) (problem string) {
	expected := func(key string, found any) {
		if problem == "" && found != vector[key] {
			problem = fmt.Sprintf("%s is %v, expected %v", key, found, vector[key])
		}
	}
	id := "id"
	if _, isValue := vector["value"]; isValue {
		id = "digest"
	}
	defer func() {
		if failure := recover(); failure != nil {
			if form, ok := failure.(noForm); !ok {
				panic(failure)
			} else if vector[id] != nil {
				problem = "no canonical form: " + form.reason
			}
		}
	}()
	for key, data := range vector {
		switch key {
		case "table":
			table := tableOf(data.(object))
			if vector["columns"] != nil {
				problem = compareColumns(table.columns, vector["columns"].(list))
			}
			expected("bytes", json.Number(fmt.Sprint(table.size)))
			expected("id", table.id)
		case "array":
			name := typeName(data.(object)["dtype"])
			if !bytes.Equal(name, text(vector["type"])) {
				problem = fmt.Sprintf("type is %q", name)
			}
			expected("id", "array:"+hex.EncodeToString(arrayDigest(data.(object))))
		case "value":
			expected("digest", hex.EncodeToString(valueDigest(data)))
		case "sparse":
			expected("id", "array:"+hex.EncodeToString(sparseDigest(data.(object))))
		case "described":
			kind := data.(object)["kind"].(string)
			value := object{"object": data.(object)["object"]}
			expected("id", kind+":"+hex.EncodeToString(valueDigest(value)))
		case "version":
			expected("id", "version:"+hex.EncodeToString(version(data.(object))))
		case "file":
			expected("id", "file:"+hex.EncodeToString(plain(fileBytes(data.(object)))))
		case "directory":
			expected("id", "directory:"+hex.EncodeToString(directory(data.(list))))
		case "resource":
			clean := withoutCredentials(data.(string))
			expected("clean", clean)
			expected("id", "resource:"+hex.EncodeToString(digest("resource", []byte(clean))))
		case "derivation":
			expected("id", "derived:"+hex.EncodeToString(derivation(data.(object))))
		case "step":
			expected("path", hex.EncodeToString(step(data.(object))))
		}
	}
	return problem
}

func compareColumns(found []column, expected list) string {
	for i, one := range found {
		wanted := expected[i].(object)
		if !bytes.Equal(one.name, text(wanted["type"])) {
			return fmt.Sprintf("type of column %d is %q", i, one.name)
		}
		if canonical, ok := wanted["canonical"]; ok {
			for number, array := range canonical.(list) {
				if made := hex.EncodeToString(one.canonical[number]); made != array {
					return fmt.Sprintf("block %d of column %d is %s, expected %s", number, i, made, array)
				}
			}
		}
		for number, block := range wanted["blocks"].(list) {
			if hex.EncodeToString(one.blocks[number]) != block {
				return fmt.Sprintf("digest of block %d of column %d", number, i)
			}
		}
		if hex.EncodeToString(one.digest) != wanted["digest"] {
			return fmt.Sprintf("digest of column %d", i)
		}
	}
	return ""
}

// Section 2.

func digest(level string, data []byte) []byte {
	hasher := blake3.NewDeriveKey("otelprov artifact 1 " + level)
	hasher.Write(data)
	return hasher.Sum(nil)
}

func plain(data []byte) []byte {
	sum := blake3.Sum256(data)
	return sum[:]
}

func u64(number int) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(number)) }

func sized(data []byte) []byte { return append(u64(len(data)), data...) }

// The notation of the vectors.

func text(notation any) []byte {
	if plain, ok := notation.(string); ok {
		return []byte(plain)
	}
	if repeat, ok := notation.(object)["repeat"]; ok {
		return bytes.Repeat(text(repeat.(list)[0]), integer(repeat.(list)[1]))
	}
	return unhex(notation.(object)["hex"].(string))
}

func binaryOf(notation any) []byte {
	if digits, ok := notation.(string); ok {
		return unhex(digits)
	}
	repeat := notation.(object)["repeat"].(list)
	return bytes.Repeat(binaryOf(repeat[0]), integer(repeat[1]))
}

func unhex(digits string) []byte {
	data, err := hex.DecodeString(digits)
	check(err)
	return data
}

func number(notation any) *big.Int {
	made, ok := new(big.Int).SetString(fmt.Sprint(notation), 10)
	if !ok {
		panic(fmt.Sprintf("%v is no number", notation))
	}
	return made
}

func integer(notation any) int { return int(number(notation).Int64()) }

// whole is two's complement in a number of bytes, least significant first.
func whole(value *big.Int, width int, signed bool) []byte {
	limit := new(big.Int).Lsh(big.NewInt(1), uint(8*width))
	low, high := big.NewInt(0), limit
	if signed {
		high = new(big.Int).Rsh(limit, 1)
		low = new(big.Int).Neg(high)
	}
	if value.Cmp(low) < 0 || value.Cmp(high) >= 0 {
		panic(noForm{fmt.Sprintf("%v in %d bytes", value, width)})
	}
	if value.Sign() < 0 {
		value = new(big.Int).Add(value, limit)
	}
	return reversed(value.FillBytes(make([]byte, width)))
}

func reversed(data []byte) []byte {
	out := make([]byte, len(data))
	for i, one := range data {
		out[len(data)-1-i] = one
	}
	return out
}

// Section 4.2, from the bits in hexadecimal.

func isNaN(bits string) bool {
	infinity := map[int]string{4: "7c00", 8: "7f800000", 16: "7ff0000000000000"}[len(bits)]
	first := strings.Index("0123456789abcdef", bits[:1]) & 7
	return string("0123456789abcdef"[first])+bits[1:] > infinity
}

func floating(bits string) []byte {
	if isNaN(bits) {
		bits = map[int]string{4: "7e00", 8: "7fc00000", 16: "7ff8000000000000"}[len(bits)]
	}
	return reversed(unhex(bits))
}

func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
