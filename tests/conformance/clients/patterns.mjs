// Compiles every pattern of the document as ECMA-262 does, with and without the flag `u`.
import { readFileSync } from "node:fs";

let patterns = 0;
function look(value, path) {
  if (value === null || typeof value !== "object") return;
  for (const [name, part] of Object.entries(value)) {
    if (name === "example" || name === "examples") continue;
    if (name === "pattern" && typeof part === "string") {
      patterns += 1;
      for (const flags of ["", "u"]) {
        try {
          new RegExp(part, flags);
        } catch (error) {
          console.error(`${path}: ${error.message}`);
          process.exitCode = 1;
        }
      }
    }
    look(part, `${path}/${name}`);
  }
}
look(JSON.parse(readFileSync(process.argv[2], "utf8")), "");
if (patterns < 10) throw new Error(`only ${patterns} patterns were found`);
