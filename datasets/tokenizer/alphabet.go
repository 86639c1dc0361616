package tokenizer

import "unicode/utf8"

// Byte-level vocabularies write each byte as one printable character, so that every token is a JSON string: the printable bytes
// of Latin-1 stand for themselves, the other 68 follow from U+0100 on in order (Radford et al. 2019, GPT-2, bytes_to_unicode).
var (
	byteToChar [256]rune
	charToByte [alphabetEnd]int16 // -1 where a character stands for no byte
)

const alphabetEnd = 0x100 + 68

func init() {
	for c := range charToByte {
		charToByte[c] = -1
	}
	next := rune(0x100)
	for b := range 256 {
		c := rune(b)
		if printable := b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE; !printable {
			c = next
			next++
		}
		byteToChar[b] = c
		charToByte[c] = int16(b)
	}
}

// alphabet returns all bytes in the order of their characters, which is the order of their ids in a trained vocabulary.
func alphabet() []byte {
	bytes := make([]byte, 0, 256)
	for _, b := range charToByte {
		if b >= 0 {
			bytes = append(bytes, byte(b))
		}
	}
	return bytes
}

// spell writes bytes in the byte-level alphabet.
func spell(bytes string) string {
	chars := make([]byte, 0, 2*len(bytes))
	for i := range len(bytes) {
		chars = utf8.AppendRune(chars, byteToChar[bytes[i]])
	}
	return string(chars)
}

// unspell undoes spell; ok is false if a character stands for no byte.
func unspell(chars string) (bytes string, ok bool) {
	out := make([]byte, 0, len(chars))
	for _, c := range chars {
		if c >= alphabetEnd || charToByte[c] < 0 {
			return "", false
		}
		out = append(out, byte(charToByte[c]))
	}
	return string(out), true
}
