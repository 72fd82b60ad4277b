package blocks

import (
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/remuda-dev/remuda"
)

// largestBody bounds states and plans.
const largestBody = 16 << 20

// closeBody compresses and encrypts a state or plan for its row.
func (r *Rules) closeBody(table, id string, plain []byte) ([]byte, error) {
	if len(plain) > largestBody {
		return nil, remuda.Fail(remuda.TooLarge, fmt.Sprintf("a state or plan has at most %d MiB", largestBody>>20))
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("compress a row of %s: %w", table, err)
	}
	sealed, err := r.keys.Encrypt(encoder.EncodeAll(plain, nil), bodyPlace(table, id))
	if err != nil {
		return nil, fmt.Errorf("encrypt a row of %s: %w", table, err)
	}
	return sealed, nil
}

// openBody reads what closeBody wrote.
func (r *Rules) openBody(table, id string, sealed []byte) ([]byte, error) {
	packed, err := r.keys.Decrypt(sealed, bodyPlace(table, id))
	if err != nil {
		return nil, fmt.Errorf("decrypt row %s of %s: %w", id, table, err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*largestBody))
	if err != nil {
		return nil, fmt.Errorf("unpack row %s of %s: %w", id, table, err)
	}
	defer decoder.Close()
	plain, err := decoder.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack row %s of %s: %w", id, table, err)
	}
	return plain, nil
}

func bodyPlace(table, id string) string { return table + "/" + id + "/body" }
