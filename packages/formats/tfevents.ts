/**
 * Writes TensorBoard's event files with scalars as TensorFlow 2 does: TFRecords of Event protobufs.
 * Records: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
 * Messages: tensorboard/compat/proto/event.proto, summary.proto, tensor.proto
 */
import { bytesOf, concat, concatAll, double, integer, message, text } from "./protobuf.ts";

/** A number at a step. */
export interface Scalar {
  /** Name of the chart, such as `epoch_loss`. */
  readonly tag: string;
  /** A non-negative integer. */
  readonly step: number;
  /** Stored as float32. */
  readonly value: number;
  /** Seconds since 1970. */
  readonly wallTime: number;
}

/**
 * Returns the bytes of an event file. TensorBoard reads files whose names contain `tfevents`.
 *
 * @example
 * ```ts
 * const bytes = eventFile([{ tag: "epoch_loss", step: 0, value: 0.7, wallTime: 1.7e9 }]);
 * await Deno.writeFile(`${await Deno.makeTempDir()}/events.out.tfevents.1`, bytes);
 * ```
 */
export function eventFile(scalars: readonly Scalar[]): Uint8Array<ArrayBuffer> {
  const started = scalars[0]?.wallTime ?? 0;
  const version = concat(double(1, started), text(3, "brain.Event:2"));
  return concat(record(version), events(scalars));
}

/** Returns the bytes to append to an event file for more scalars. */
export function events(scalars: readonly Scalar[]): Uint8Array<ArrayBuffer> {
  return concatAll(scalars.map((scalar) => record(event(scalar))));
}

/** tensorflow.Event: wall_time = 1, step = 2, summary = 5. */
function event({ tag, step, value, wallTime }: Scalar): Uint8Array {
  const scalars = text(1, "scalars"); // SummaryMetadata.PluginData: plugin_name = 1
  const metadata = concat(message(1, scalars), integer(4, 1)); // data_class = 4: a scalar
  // TensorProto: dtype = 1 (float), tensor_shape = 2 (of no dimensions), float_val = 5.
  const number = bytesOf(Float32Array.of(value));
  const tensor = concat(integer(1, 1), message(2, new Uint8Array()), message(5, number));
  const entry = concat(text(1, tag), message(8, tensor), message(9, metadata));
  return concat(double(1, wallTime), integer(2, step), message(5, message(1, entry)));
}

/** Length (8 bytes), checksum of the length, data, checksum of the data. */
function record(data: Uint8Array): Uint8Array {
  const length = bytesOf(BigUint64Array.of(BigInt(data.length)));
  return concat(length, checksum(length), data, checksum(data));
}

/** Returns the masked checksum, as TFRecords have it: CRCs of data that contains CRCs are weak. */
function checksum(data: Uint8Array): Uint8Array {
  const crc = crc32c(data);
  return bytesOf(Uint32Array.of(((crc >>> 15) | (crc << 17)) + 0xa282ead8));
}

/** Castagnoli's polynomial, bits reversed: RFC 3720, appendix B. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = table[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
