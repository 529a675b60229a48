/** Tiny drawn folders in the layouts of published data sets, with their quirks. */
import { Buffer } from "node:buffer";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { drawSvg } from "../../../faces/synthetic/sample_archive.ts";
import { faceSvg } from "../../../faces/synthetic/drawn_face.ts";
import { drawTraits } from "../../../faces/synthetic/traits.ts";
import { random } from "../../../packages/random/random.ts";

/** Files by path. */
export type Files = Record<string, string | Uint8Array>;

/** Writes files to a folder `mine`, which is removed at the end. */
export async function withFiles(
  files: Readonly<Files>,
  test: (folder: string) => Promise<void>,
): Promise<void> {
  const parent = await Deno.makeTempDir(), folder = join(parent, "mine");
  try {
    for (const [path, data] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
      const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
      await Deno.writeFile(join(folder, path), bytes);
    }
    await test(folder);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

/** Draws a face; `photo` keeps the margin of 40 % around it. */
export async function drawFace(age: number, male: boolean, photo = false): Promise<Uint8Array> {
  const traits = drawTraits(random(7, "preset", age, String(male)), age, male ? "male" : "female");
  const drawn = drawSvg(faceSvg(traits));
  const box = { left: 57, top: 57, width: 142, height: 142 };
  return new Uint8Array(
    await (photo ? drawn : drawn.extract(box).resize(64, 64)).jpeg().toBuffer(),
  );
}

/** UTKFace's chips, with a name without a race, without a gender, with a blank, and an exact copy. */
export async function utkface(): Promise<Files> {
  const names = {
    "UTKFace/26_0_1_20170116174525125.jpg.chip.jpg": [26, true],
    "UTKFace/61_1_20170109142408075.jpg.chip.jpg": [61, false],
    "UTKFace/5_1_2_2017011915163112 .jpg.chip.jpg": [5, false],
    "UTKFace/53__0_20170116184028385.jpg.chip.jpg": [53, true],
    "UTKFace/110_1_0_20170120134639935.jpg.chip.jpg": [100, false],
    "UTKFace/26_0_1_201701161745251253.jpg.chip.jpg": [26, true],
  } as const;
  const files: Files = { "UTKFace/contact.jpg": "no label in this name", "UTKFace/.DS_Store": "x" };
  for (const [name, [age, male]] of Object.entries(names)) files[name] = await drawFace(age, male);
  return files;
}

/** FairFace's photos and both CSVs, with bins that a spreadsheet has turned into dates. */
export async function fairface(): Promise<Files> {
  const rows = [
    ["train/1.jpg", "50-59", "Male", "East Asian", "True"],
    ["train/2.jpg", "03-Sep", "Female", "Latino_Hispanic", "False"],
    ["train/3.jpg", "more than 70", "Female", "White", "False"],
    ["val/1.jpg", "Oct-19", "Male", "Middle Eastern", "True"],
    ["val/2.jpg", "0-2", "Female", "Black", "False"],
  ];
  const files: Files = {};
  for (const part of ["train", "val"]) {
    const own = rows.filter(([file]) => file.startsWith(part)).map((row) => `${row}\n`);
    files[`fairface_label_${part}.csv`] = "file,age,gender,race,service_test\n" + own.join("");
  }
  for (const [i, [file, , gender]] of rows.entries()) {
    files[file] = await drawFace(10 * i + 5, gender === "Male");
  }
  return files;
}

/** Two of Adience's folds: bands, single years, None, an unknown gender and an empty one. */
export async function adience(): Promise<Files> {
  const header = "user_id\toriginal_image\tface_id\tage\tgender\tx\ty\tdx\tdy\ttilt_ang\t" +
    "fiducial_yaw_angle\tfiducial_score\n";
  const rows = [
    [0, "30601258@N03", "10399646885_67c7d20df9_o.jpg", "1", "(25, 32)", "f"],
    [0, "30601258@N03", "10424815813_e94629b1ec_o.jpg", "2", "35", "m"],
    [0, "7153718@N04", "11597935265_a6d0a3ccd7_o.jpg", "3", "(38, 42)", "u"],
    [1, "7153718@N04", "9533076512_5c4f8a2c1d_o.jpg", "4", "None", "f"],
    [1, "7153718@N04", "9533076513_5c4f8a2c1d_o.jpg", "5", "(60, 100)", ""],
  ] as const;
  const files: Files = { "fold_frontal_0_data.txt": header };
  for (const [fold, user, image, face, age, gender] of rows) {
    const line = [user, image, face, age, gender, 0, 414, 1086, 1383, -115, 30, 17].join("\t");
    files[`fold_${fold}_data.txt`] = `${files[`fold_${fold}_data.txt`] ?? header}${line}\n`;
    files[`faces/${user}/coarse_tilt_aligned_face.${face}.${image}`] = await drawFace(
      20 + Number(face),
      gender === "m",
    );
  }
  return files;
}

/** IMDB-Clean's three CSVs, whose boxes are of whole photos. */
export async function imdbClean(): Promise<Files> {
  const header = "filename,age,gender,x_min,y_min,x_max,y_max,roll,yaw,pitch\n";
  const rows = {
    train: ["01/nm0000001_rm1_1899-5-10_1968.jpg", 69, "M"],
    valid: ["02/nm0000002_rm2_1924-9-16_1955.jpg", 30, "F"],
    test: ["03/nm0000003_rm3_1934-9-28_1956.jpg", 21, "F"],
  } as const;
  const files: Files = {};
  for (const [part, [file, age, gender]] of Object.entries(rows)) {
    files[`imdb_${part}_new.csv`] = `${header}${file},${age},${gender},57,57,199,199,-1.5,2,3\n`;
    files[`imdb/${file}`] = await drawFace(age, gender === "M", true);
  }
  return files;
}

/** A JSON of the benchmark of 2024: a rotated box that leaves the photo, unknown age and gender. */
export async function benchmark2024(): Promise<Files> {
  const corners = (cx: number, cy: number, half: number, turn: number) =>
    [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([x, y]) => [
      cx + half * (x * Math.cos(turn) - y * Math.sin(turn)),
      cy + half * (x * Math.sin(turn) + y * Math.cos(turn)),
    ]);
  const row = (i: number, age: number, gender: string, folder: number, box: number[][]) => ({
    img_path: `UTKFace/${i < 4 ? i : "two"}.jpg`,
    id_num: `p${i}`,
    age,
    gender,
    database: "UTKFace",
    folder,
    aligned_bbox: box,
  });
  const rows = [
    row(0, 30, "M", 0, corners(128, 128, 71, 0.4)),
    row(1, 31, "F", 7, corners(128, 128, 140, -0.2)),
    row(2, -1, "F", 9, corners(128, 128, 71, 0)),
    row(3, 33, "U", 8, corners(128, 128, 71, 0)),
    // Two people of one photo, and the first of them again.
    row(4, 60, "M", 1, corners(128, 128, 71, 0)),
    row(5, 24, "F", 1, corners(128 + 256, 128, 71, 0.3)),
    row(6, 60, "M", 1, corners(128, 128, 71, 0)),
  ];
  const files: Files = { "databases/UTKFace.json": JSON.stringify(rows) };
  for (const { img_path, age, gender } of rows.slice(0, 4)) {
    files[`photos/${img_path}`] = await drawFace(Math.max(20, age), gender === "M", true);
  }
  const two = await Promise.all([drawFace(60, true, true), drawFace(24, false, true)]);
  const empty = { create: { width: 512, height: 256, channels: 3, background: "#567" } } as const;
  files["photos/UTKFace/two.jpg"] = new Uint8Array(
    await sharp(empty).composite(
      two.map((face, i) => ({ input: Buffer.from(face), left: 256 * i, top: 0 })),
    )
      .jpeg().toBuffer(),
  );
  return files;
}
