// What classes and relations of the CMDB are called.

import { call } from "./api.js";
import { labelOr, say } from "./i18n.js";

let known = { classes: {}, relations: {} };

/** Asks once per sign-in. */
export async function loadVocabulary() {
  known = await call("/api/v1/vocabulary").catch(() => known);
}

/** The name of a class.
 * @param {string} id */
export const className = (id) => say(known.classes[id]) || id;

/** The name of a relation, also of those that are none in the CMDB.
 * @param {string} id */
export const relationName = (id) => say(known.relations[id]) || labelOr(`relation.${id}`, id);

/** All classes, for choosing one.
 * @returns {[string, string][]} */
export const classes = () => Object.keys(known.classes).map((id) => [id, className(id)]);
