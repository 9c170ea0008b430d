/**
 * What of the resolvers loading the settings needs: the values they take from elsewhere where the settings are silent,
 * and the variables that say who asks.
 */
export { inherited, VARIABLES as identityVariables } from "../resolver/Identity.ts"
