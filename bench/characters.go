package main

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"

	"github.com/seedbed/seedbed/abi/vision"
	"github.com/seedbed/seedbed/datasets/samples"
)

// characters writes what encoders learn from without labels: Omniglot's
// characters, in the size and with the bright strokes of the digits, and the
// digits that probes learn from. Those that probes are measured on are not among
// them.
func (x *lesson) characters() (string, error) {
	path := filepath.Join(x.work, "characters.zip")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	count := 0
	add := func(ctx context.Context, paths []string, label string, fraction float64, invert bool) error {
		s, err := samples.Open(ctx, samples.Config{Paths: paths, Label: label, Check: "header"})
		if err != nil {
			return err
		}
		defer s.Close()
		rows := s.Data
		if fraction > 0 {
			if rows, _, err = s.Split(fraction); err != nil {
				return err
			}
		}
		find, err := vision.FindImages(rows.Schema(), "image", vision.DecodeOptions{Channels: 1})
		if err != nil {
			return err
		}
		var work vision.Work
		for i := range rows.Len() {
			record, err := rows.Read(ctx, []int64{i})
			if err != nil {
				return err
			}
			err = find.Load(&work, record, 0)
			record.Release()
			if err != nil {
				return err
			}
			if invert {
				for k, v := range work.Pix {
					work.Pix[k] = 255 - v
				}
			}
			work.Resize(28, 28, vision.Bilinear)
			m := image.NewGray(image.Rect(0, 0, 28, 28))
			copy(m.Pix, work.Pix)
			f, err := w.Create(fmt.Sprintf("%05d.png", count))
			if err != nil {
				return err
			}
			if err := png.Encode(f, m); err != nil {
				return err
			}
			count++
		}
		return nil
	}
	found, err := filepath.Glob(filepath.Join(x.data, "omniglot", "*.zip"))
	if err != nil {
		return "", err
	}
	if err := add(x.ctx, found, "none", 0, true); err != nil {
		return "", err
	}
	var digits []string
	for _, d := range mnist {
		digits = append(digits, filepath.Join(x.data, d))
	}
	if err := add(x.ctx, digits, "", 0.2, false); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, b.Bytes(), 0o666)
}
