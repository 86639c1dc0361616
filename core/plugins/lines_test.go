package plugins

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func keptOf(text ...string) []string {
	l := &lines{log: slog.New(slog.DiscardHandler)}
	for _, s := range text {
		_, _ = fmt.Fprintln(l, s) // it never fails
	}
	return l.last()
}

func numbered(format string, n int) (l []string) {
	for i := range n {
		l = append(l, fmt.Sprintf(format, i))
	}
	return l
}

func TestTheLastLinesAreKept(t *testing.T) {
	assert.Equal(t, []string{"a", "b"}, keptOf("a", "", "b\r"))
	assert.Equal(t, numbered("line %d", 100)[80:], keptOf(numbered("line %d", 100)...))
	assert.Len(t, keptOf(strings.Repeat("x", 10_000))[0], maxLine)
}

// What a runtime says first of a crash is kept, not the registers that it ends
// with.
func TestWhatACrashBeginsWithIsKept(t *testing.T) {
	before, stack, registers := numbered("line %d", 50), numbered("main.f%d(...)", 8), numbered("r%d 0x0", 40)
	text := append(append(append([]string{}, before...), "panic: no weights", "", "goroutine 1 [running]:"), append(stack, registers...)...)
	got := keptOf(text...)
	assert.Equal(t, append(append(before[40:], "panic: no weights", "goroutine 1 [running]:"), stack...), got)
	assert.Len(t, got, maxLines)
	// A second crash is the one that counts, unless it belongs to the first.
	assert.Contains(t, keptOf(append(text, "fatal error: out of memory")...), "fatal error: out of memory")
	assert.Equal(t, []string{"panic: a", "panic: b"}, keptOf("panic: a", "panic: b"))
	assert.Equal(t, numbered("panics: %d", 30)[10:], keptOf(numbered("panics: %d", 30)...), "no crash")
}
