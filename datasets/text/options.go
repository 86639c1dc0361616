package text

import (
	"fmt"
	"path"
)

// Options say how files become documents. Zero values are the defaults.
type Options struct {
	// Format is "auto" (the default: by file name), "text" or "jsonl".
	Format string `json:"format,omitempty" yaml:"format,omitempty"`

	// TextField is the field of a JSON Lines object that holds the text; default "text".
	TextField string `json:"text_field,omitempty" yaml:"text_field,omitempty"`

	// Document is what one document of a text file is: "file" (the default), "line" (without its end) or "paragraph" (lines
	// between blank ones). Documents of white space only are left out.
	Document string `json:"document,omitempty" yaml:"document,omitempty"`

	// Include are patterns, such as "*.go", one of which the name of a file in a folder must match; none means all files.
	Include []string `json:"include,omitempty" yaml:"include,omitempty"`

	// SkipBinary leaves out files that are not text, instead of refusing them.
	SkipBinary bool `json:"skip_binary,omitempty" yaml:"skip_binary,omitempty"`

	// MaxDocumentBytes divides longer documents, at line ends where there are some; default 32 KiB, at most 64 MiB.
	MaxDocumentBytes int `json:"max_document_bytes,omitempty" yaml:"max_document_bytes,omitempty"`

	// MaxFileBytes refuses larger files; it counts after decompression; default 64 GiB.
	MaxFileBytes int64 `json:"max_file_bytes,omitempty" yaml:"max_file_bytes,omitempty"`

	// MaxExpansion refuses compressed files that become more than this many times as large and more than 64 MiB; default 256.
	MaxExpansion int64 `json:"max_expansion,omitempty" yaml:"max_expansion,omitempty"`
}

// Bounds that options cannot lift.
const (
	maxDocumentBytes = 64 << 20
	maxLineBytes     = 64 << 20 // of JSON Lines
	freeExpansion    = 64 << 20 // what a compressed file may become whatever its size
)

// WithDefaults returns the options with every default filled in, or an error that names the option that is out of range.
func (o Options) WithDefaults() (Options, error) {
	choose := func(name string, value *string, choices ...string) error {
		if *value == "" {
			*value = choices[0]
		}
		for _, c := range choices {
			if *value == c {
				return nil
			}
		}
		return fmt.Errorf("%s: %q is not one of %q", name, *value, choices)
	}
	if err := choose("format", &o.Format, "auto", "text", "jsonl"); err != nil {
		return o, err
	}
	if err := choose("document", &o.Document, "file", "line", "paragraph"); err != nil {
		return o, err
	}
	if o.TextField == "" {
		o.TextField = "text"
	}
	for i, pattern := range o.Include {
		if _, err := path.Match(pattern, ""); err != nil {
			return o, fmt.Errorf("include[%d]: %q: %w", i, pattern, err)
		}
	}
	bound := func(name string, value *int64, missing, limit int64) error {
		if *value == 0 {
			*value = missing
		}
		if *value < 16 || *value > limit {
			return fmt.Errorf("%s: %d is outside [16, %d]", name, *value, limit)
		}
		return nil
	}
	document := int64(o.MaxDocumentBytes)
	if err := bound("max_document_bytes", &document, 32<<10, maxDocumentBytes); err != nil {
		return o, err
	}
	o.MaxDocumentBytes = int(document)
	if err := bound("max_file_bytes", &o.MaxFileBytes, 64<<30, 1<<60); err != nil {
		return o, err
	}
	return o, bound("max_expansion", &o.MaxExpansion, 256, 1<<20)
}
