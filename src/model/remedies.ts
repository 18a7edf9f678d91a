/** What helps a view whose topic is another one, or no longer what it was. Last in a remedy, as it ends with the command. */
export const byRebuild = (view: string): string => `The view is folded anew, from the topic in the config, by: logfold rebuild ${view}`
