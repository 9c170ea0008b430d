/**
 * What of the resolvers loading the settings needs: the values they take from elsewhere where the settings are silent.
 */
export { inherited } from "../resolver/Identity.ts"
