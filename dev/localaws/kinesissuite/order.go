package kinesissuite

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func orderChecks() []check {
	return []check{
		{name: "order/concurrent-puts-lose-and-repeat-nothing", run: concurrentPuts},
		{name: "order/reading-while-writing-sees-each-record-once", run: readWhileWriting},
		{name: "order/a-request-keeps-its-order", run: requestOrder},
		{name: "order/sequence-numbers-have-56-digits", run: sequenceDigits},
		{name: "order/partition-keys-go-by-md5", run: routing},
	}
}

const (
	writers   = 4
	batchSize = 50
)

// write puts records "<writer>-<n>" in batches from several writers at once and returns how many were acknowledged.
func (b *bench) write(ctx context.Context, stream string) (map[string]string, error) {
	var mu sync.Mutex
	var errs []error
	acked := map[string]string{} // sequence number to data
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for done := 0; done < b.records/writers; done += batchSize {
				in := &kinesis.PutRecordsInput{StreamName: &stream}
				for i := range batchSize {
					in.Records = append(in.Records, types.PutRecordsRequestEntry{
						Data: fmt.Appendf(nil, "%d-%06d", w, done+i), PartitionKey: aws.String("key"),
					})
				}
				out, err := b.PutRecords(ctx, in)
				mu.Lock()
				if err != nil {
					errs = append(errs, err)
				} else {
					for i, r := range out.Records {
						if r.ErrorCode == nil {
							if other, ok := acked[*r.SequenceNumber]; ok {
								errs = append(errs, fmt.Errorf("one sequence number for %s and %s", other, in.Records[i].Data))
							}
							acked[*r.SequenceNumber] = string(in.Records[i].Data)
						}
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return acked, errors.Join(errs...)
}

// whole checks that a reading holds each acknowledged record once, in the order of the sequence numbers and, for
// each writer, in the order written.
func (r reading) whole(acked map[string]string) error {
	if len(r.records) != len(acked) {
		return fmt.Errorf("read %d records, %d were acknowledged", len(r.records), len(acked))
	}
	previous := new(big.Int)
	newest := map[string]string{}
	for i, rec := range r.records {
		data := string(rec.Data)
		if acked[*rec.SequenceNumber] != data {
			return fmt.Errorf("record %d with sequence number %s is %q, was acknowledged as %q", i, *rec.SequenceNumber, data, acked[*rec.SequenceNumber])
		}
		n, ok := new(big.Int).SetString(*rec.SequenceNumber, 10)
		if !ok || n.Cmp(previous) <= 0 {
			return fmt.Errorf("record %d: sequence number %s does not follow %s", i, *rec.SequenceNumber, previous)
		}
		previous = n
		writer, _, _ := strings.Cut(data, "-")
		if data <= newest[writer] {
			return fmt.Errorf("record %s was read after %s of the same writer", data, newest[writer])
		}
		newest[writer] = data
	}
	return nil
}

func concurrentPuts(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	acked, err := b.write(ctx, s)
	if err != nil {
		return err
	}
	r, err := b.read(ctx, s, firstShard, trimHorizon(), 0)
	return errors.Join(err, r.whole(acked))
}

func readWhileWriting(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	it, err := b.iterator(ctx, s, firstShard, trimHorizon())
	if err != nil {
		return err
	}
	var acked map[string]string
	var writeErr error
	written := make(chan struct{})
	go func() {
		defer close(written)
		acked, writeErr = b.write(ctx, s)
	}()
	var all reading
	for writing := true; writing; {
		select {
		case <-written:
			writing = false
		default:
		}
		r, err := b.toTip(ctx, it, 100)
		all.records = append(all.records, r.records...)
		if err != nil {
			<-written
			return errors.Join(err, writeErr)
		}
		it = r.last.NextShardIterator
	}
	return errors.Join(writeErr, all.whole(acked))
}

func requestOrder(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	want := []string{}
	for i := range 4 {
		prefix := fmt.Sprintf("%d-", i)
		if _, err := b.put(ctx, s, prefix, 60, lowKey); err != nil {
			return err
		}
		want = append(want, series(prefix, 0, 60)...)
	}
	r, err := b.read(ctx, s, firstShard, trimHorizon(), 0)
	return errors.Join(err, sameData("four requests", r.data(), want))
}

func sequenceDigits(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 2)
	if err != nil {
		return err
	}
	shards, err := b.shards(ctx, s, nil)
	if err != nil {
		return err
	}
	seqs, err := b.put(ctx, s, "r", 5, lowKey)
	if err != nil {
		return err
	}
	for _, sh := range shards {
		seqs = append(seqs, *sh.SequenceNumberRange.StartingSequenceNumber)
	}
	for _, seq := range seqs {
		if len(seq) != 56 {
			return fmt.Errorf("sequence number %s has %d digits", seq, len(seq))
		}
	}
	return nil
}

func routing(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 3)
	if err != nil {
		return err
	}
	shards, err := b.shards(ctx, s, nil)
	if err != nil {
		return err
	}
	for i := range 12 {
		key := fmt.Sprint("key-", i)
		sum := md5.Sum([]byte(key))
		hash := new(big.Int).SetBytes(sum[:])
		out, err := b.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &s, Data: []byte("x"), PartitionKey: &key})
		if err != nil {
			return err
		}
		for _, sh := range shards {
			from, _ := new(big.Int).SetString(*sh.HashKeyRange.StartingHashKey, 10)
			to, _ := new(big.Int).SetString(*sh.HashKeyRange.EndingHashKey, 10)
			if within := from.Cmp(hash) <= 0 && hash.Cmp(to) <= 0; within != (*sh.ShardId == *out.ShardId) {
				return fmt.Errorf("key %s went to %s; %s holds %s to %s", key, *out.ShardId, *sh.ShardId, from, to)
			}
		}
	}
	return nil
}
